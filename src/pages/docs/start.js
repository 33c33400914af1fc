/* global SwaggerUIBundle */
const reference = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  persistAuthorization: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  // Signing in by the login operation fills in the token for every other one.
  responseInterceptor(response) {
    if (response.ok && /\/api\/auth\/(login|refresh)\/?$/.test(new URL(response.url).pathname))
      reference.preauthorizeApiKey("bearer", response.body?.access ?? response.obj?.access);
    return response;
  },
});
