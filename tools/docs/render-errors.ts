/** Renders the table of errors as a page. A problem's `type` links to it. */
import { STATUS_CODES } from "node:http";
import { html } from "hono/html";
import { PROBLEMS, type ProblemCode } from "../../src/http/problems.ts";
import { codeSpans, type Html, layout } from "./layout.ts";

type Status = (typeof PROBLEMS)[ProblemCode]["status"];

/** The advice for an error, by status. */
const ADVICE: Record<Status, string> = {
  400: "Correct the request and send it again. With `invalid_request`, `errors` names each faulty field.",
  401: "Sign in, or refresh the access token, and send the request again.",
  403: "Sign in as a user with another role. [The reference](/docs) names the roles of each operation.",
  404: "Check the path and its ids. Resources that the caller may not see are also reported as not found.",
  405: "Use one of the methods that the `Allow` header names.",
  408: "Send the request again, over a faster connection or with a smaller file.",
  409: "Read the current state and decide again. The same request fails until the state changes.",
  412: "Read the resource again, apply the change to it, and send its new `ETag` in `If-Match`.",
  413: "Send less. `detail` names the largest size.",
  415: "Set `Content-Type` to the type that [the reference](/docs) names for the operation.",
  416: "Request a range inside the file, or for the whole file.",
  422: "Use a new `Idempotency-Key` for a new request, and repeat a key only with the same request.",
  429: "Wait for the seconds that `Retry-After` names, then send the request again.",
  500: "Send the request again, with the same `Idempotency-Key` if it had one. If it fails again, report the `request_id`.",
  503: "Wait for the seconds that `Retry-After` names, then send the request again, with the same `Idempotency-Key` if it had one.",
};

/** Additional advice for one error. */
const HINTS: Partial<Record<ProblemCode, string>> = {
  invalid_credentials: "Check the username and the password, or reset the password.",
  invalid_refresh_token: "Sign in with username and password.",
  slot_taken: "`alternatives` lists the nearest free slots.",
  duplicate_request: "Wait for the first request to end, then repeat it to read its response.",
  misconfigured: "Clients can do nothing. The operator finds the faulty variable in the logs.",
};

/** The page as HTML; each error has its code as anchor. */
export function renderErrors(): Html {
  const byStatus = Map.groupBy(Object.entries(PROBLEMS), ([, { status }]) => status);
  const group = (status: Status, problems: Array<[string, { title: string }]>) => html`
<h2>${status} ${STATUS_CODES[status]}</h2>
<p>${codeSpans(ADVICE[status])}</p>
${problems.map(
  ([code, { title }]) => html`<section id="${code}">
<h3><a href="#${code}">${code}</a></h3>
<p>${title}. ${codeSpans(HINTS[code as ProblemCode] ?? "")}</p>
</section>
`,
)}`;
  return layout({
    title: "Errors",
    name: "errors",
    body: html`<main>
<p class="crumbs"><a href="/">Home</a> <a href="/docs">Reference</a></p>
<h1>Errors</h1>
<p>An error is a problem detail (RFC 9457) of type <code>application/problem+json</code>. Program against
<code>code</code>: it never changes. <code>detail</code> says what is wrong with this request, <code>type</code> links to
this page, and <code>request_id</code> finds the request in the logs.</p>
${[...byStatus].map(([status, problems]) => group(status, problems))}</main>`,
  });
}
