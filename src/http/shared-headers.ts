/** Headers that operations share, and references to them in the OpenAPI document. */

/** Response headers by name. */
export const HEADERS = {
  "X-Request-Id":
    "Identifies this request in the logs. A valid value from the client is kept. Answers that a shared cache may give to others have none.",
  "X-D1-Bookmark": "The state after this write. A request that sends it reads at least that state.",
  Location: "The URL of the created resource.",
  ETag: "The version of the resource, for If-None-Match and If-Match.",
  "Idempotency-Replayed":
    "`true` when this is the stored answer of an earlier request with the same Idempotency-Key.",
  "Retry-After": "Seconds after which to try again.",
  "WWW-Authenticate": "The authentication scheme, and the fault of the token.",
} as const;

/** Request headers by name. */
export const PARAMETERS = {
  "Idempotency-Key": {
    description:
      "Makes a repeated request safe: requests with the same key and body from one caller have one effect and one answer. Kept for 24 hours.",
    schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[!-~]+$" },
  },
  "X-D1-Bookmark": {
    description: "The bookmark from the response of a write: this request reads at least that state.",
    schema: { type: "string", pattern: "^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$" },
  },
} as const;

/** The name of a shared response header. */
export type SharedHeader = keyof typeof HEADERS;

/** References to shared response headers. */
export const sharedHeaders = (...names: SharedHeader[]) =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

/** References to shared request headers. */
export const sharedParameters = (...names: Array<keyof typeof PARAMETERS>) =>
  names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
