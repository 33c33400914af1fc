/** Renders the OpenAPI document as the reference page; reference.js makes it interactive in the browser. */
import { html } from "hono/html";
import { PROBLEMS } from "../../src/http/problems.ts";
import { codeSpans, type Html, layout, prose } from "./layout.ts";

type Schema = {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  allOf?: Schema[];
  enum?: unknown[];
  example?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  readOnly?: boolean;
};
type Content = Record<string, { schema: Schema }>;
type Parameter = {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  description?: string;
  schema: Schema;
};
type Operation = {
  operationId: string;
  summary: string;
  description?: string;
  tags: string[];
  security?: object[];
  "x-roles"?: string[];
  parameters?: Array<Parameter | { $ref: string }>;
  requestBody?: { content: Content };
  responses: Record<string, { description: string; content?: Content }>;
};

/** The members of an OpenAPI document that the page shows. */
export type OpenApiDocument = {
  info: { title: string; version: string; description: string };
  tags: Array<{ name: string; description: string }>;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; parameters: Record<string, Parameter> };
};

/** Fields that reference.js fills in besides ids: required days, and names that must be unused. */
const FILLED: Record<string, string[]> = {
  listAvailableSlots: ["from", "to"],
  register: ["username"],
  createStaff: ["username"],
};

const ORDER = { path: 0, query: 1, header: 2 };

/** The page as HTML. */
export function renderReference(document: OpenApiDocument): Html {
  const { info, tags, paths, components } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  type Entry = (typeof operations)[number];
  const groups = tags.map((tag) => ({
    ...tag,
    entries: operations.filter(({ operation }) => operation.tags.includes(tag.name)),
  }));

  const nameOf = (ref: string) => ref.slice(ref.lastIndexOf("/") + 1);
  /** A schema with its reference resolved and its parts merged. */
  function resolve(schema: Schema): Schema {
    if (schema.$ref) return resolve(components.schemas[nameOf(schema.$ref)] ?? {});
    if (!schema.allOf) return schema;
    const parts = schema.allOf.map(resolve);
    return {
      type: "object",
      properties: Object.assign({}, ...parts.map((part) => part.properties)),
      required: parts.flatMap((part) => part.required ?? []),
    };
  }

  function typeOf(schema: Schema): Html {
    if (schema.$ref) return html`<a href="#type-${nameOf(schema.$ref)}">${nameOf(schema.$ref)}</a>`;
    if (schema.type === "array" && schema.items) return html`${typeOf(schema.items)}[]`;
    return html`${[schema.type ?? "any"].flat().join(" | ")}${schema.format ? ` (${schema.format})` : ""}`;
  }

  /** The limits of a value. */
  function limits(schema: Schema): Html | "" {
    const { minimum, maximum, minLength, maxLength } = schema;
    const said = [
      maxLength !== undefined &&
        (minLength ? `${minLength} to ${maxLength} characters` : `at most ${maxLength} characters`),
      minimum !== undefined && `at least ${minimum}`,
      maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER && `at most ${maximum}`,
      schema.default !== undefined && schema.default !== "" && `default ${schema.default}`,
    ].filter(Boolean);
    return said.length > 0 ? html` <span class="quiet">${said.join(", ")}</span>` : "";
  }

  const choices = (schema: Schema) =>
    schema.enum
      ? html`<dd class="choices">${schema.enum.map((value) => html`<code>${value}</code> `)}</dd>`
      : "";

  const head = (name: string, schema: Schema, required: boolean) => html`<dt><code>${name}</code>
<span class="type">${typeOf(schema)}</span>${required ? html` <span class="required">required</span>` : ""}${limits(schema)}</dt>`;

  /** The members of an object, and of the objects written inside it. */
  function members(schema: Schema): Html {
    const { properties = {}, required = [] } = resolve(schema);
    return html`<dl>${Object.entries(properties)
      .filter(([, member]) => Object.keys(member).join() !== "readOnly")
      .map(([name, member]) => {
        const inner = member.items?.properties ? member.items : member;
        return html`${head(name, member, required.includes(name))}
${member.description ? html`<dd>${prose(member.description)}</dd>` : ""}${choices(member)}
${inner.properties ? html`<dd>${members(inner)}</dd>` : ""}`;
      })}</dl>`;
  }

  const successOf = (operation: Operation) =>
    Object.entries(operation.responses).find(([status]) => status < "300");
  /** The JSON of a successful response. */
  const responseOf = (operation: Operation) => {
    const content = successOf(operation)?.[1].content ?? {};
    return Object.entries(content).find(([media]) => media.includes("json"))?.[1];
  };

  /** An example value of a schema. */
  function exampleOf(schema: Schema, name = ""): unknown {
    const known = resolve(schema);
    if (known.example !== undefined) return known.example;
    if (known.enum) return known.enum[0];
    const type = [known.type].flat().find((candidate) => candidate !== "null");
    if (known.properties)
      return Object.fromEntries(
        Object.entries(known.properties).map(([key, member]) => [key, exampleOf(member, key)]),
      );
    if (type === "array") return known.items ? [exampleOf(known.items)] : [];
    if (type === "integer" || type === "number") return known.minimum ?? 1;
    if (type === "boolean") return true;
    if (name === "next" || name === "previous") return null;
    return known.format === "date-time" ? "2026-12-01T14:00:00Z" : "";
  }

  /**
   * The initial body: the required members. Ids, times and names stay empty, because invented ones are refused;
   * reference.js fills in those it knows. Without an example in the request, the example of the response is used.
   */
  function startingBody(operation: Operation, schema: Schema): string {
    const { properties = {}, required = [] } = resolve(schema);
    const answered = resolve(responseOf(operation)?.schema ?? {}).properties ?? {};
    const entries = required.map((name) => {
      const member = properties[name] ?? {};
      if (member.type === "array") return [name, []];
      const isLeftEmpty =
        member.format === "uuid" || name === "start_at" || FILLED[operation.operationId]?.includes(name);
      return [name, isLeftEmpty ? "" : exampleOf({ ...answered[name], ...member })];
    });
    return JSON.stringify(Object.fromEntries(entries), null, 2);
  }

  /** The kind of thing that the ids of a path name: `car` for /api/cars/{id}, `photo` for /api/cars/{id}/photos. */
  const kindOf = (path: string) =>
    path.includes("/photos") ? "photo" : (path.split("/")[2] ?? "").replace(/s$/, "");

  function field({ path, operation }: Entry, parameter: Parameter): Html {
    const { name, schema, required = false } = parameter;
    const owner = (path.split("/")[2] ?? "").replace(/s$/, "");
    const filled =
      parameter.in === "path"
        ? { id: owner, photo_id: "photo", name: "photo_name" }[name]
        : FILLED[operation.operationId]?.includes(name) && name;
    const attributes = html`name="${name}" data-in="${parameter.in}" aria-label="${name}"${required ? html` required` : ""}${filled ? html` data-fill="${filled}"` : ""}`;
    const hint = name === "Idempotency-Key" ? "a new one for each request" : "";
    return html`${head(name, schema, required)}
<dd>${
      schema.enum
        ? html`<select ${attributes}><option></option>${schema.enum.map((value) => html`<option>${value}</option>`)}</select>`
        : html`<input ${attributes} placeholder="${hint}" autocomplete="off" spellcheck="false">`
    }
${parameter.description ? prose(parameter.description) : ""}</dd>`;
  }

  /** The fields of a form. Each member has its own. */
  const formFields = (schema: Schema) =>
    Object.entries(schema.properties ?? {}).map(([name, member]) => {
      const required = schema.required?.includes(name) ?? false;
      const attributes = html`name="${name}" data-in="form" aria-label="${name}"${required ? html` required` : ""}`;
      return html`${head(name, member, required)}
<dd>${
        member.enum
          ? html`<select ${attributes}><option></option>${member.enum.map((value) => html`<option>${value}</option>`)}</select>`
          : html`<input ${attributes} type="${member.format === "binary" ? "file" : "text"}">`
      }</dd>`;
    });

  function answers(operation: Operation): Html {
    const errors = Object.entries(operation.responses).filter(([status]) => status >= "400");
    return html`<h4>Responses</h4>
<dl>${Object.entries(operation.responses)
      .filter(([status]) => status < "400")
      .map(([status, { description, content }]) => {
        const schema = Object.entries(content ?? {}).find(([type]) => type.includes("json"))?.[1].schema;
        return html`<dt><span class="status">${status}</span> ${codeSpans(description)}${schema ? html` <span class="type">${typeOf(schema)}</span>` : ""}</dt>
${schema?.properties ? html`<dd>${members(schema)}</dd>` : ""}`;
      })}</dl>
<dl class="errors">${errors.map(([status, { description }]) => {
      const codes = [...description.matchAll(/`(\w+)`/g)].map(([, code]) => code ?? "");
      return html`<dt class="status">${status}</dt><dd>${codes
        .filter((code) => code in PROBLEMS)
        .map((code) => html`<a href="/docs/errors#${code}">${code}</a> `)}</dd>`;
    })}</dl>`;
  }

  const rolesOf = (operation: Operation) => operation["x-roles"] ?? ["Anyone"];

  function article(entry: Entry): Html {
    const { path, method, operation } = entry;
    const parameters = (operation.parameters ?? [])
      .map((parameter) => ("$ref" in parameter ? components.parameters[nameOf(parameter.$ref)] : parameter))
      .filter((parameter) => parameter !== undefined)
      // Shared headers come last. Alphabetical order puts the most important ones first.
      .sort((one, other) =>
        one.in === other.in && one.in === "header"
          ? one.name.localeCompare(other.name)
          : ORDER[one.in] - ORDER[other.in],
      );
    const [type, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
    const isForm = type === "multipart/form-data";
    const start = body && !isForm ? startingBody(operation, body.schema) : undefined;
    const answer = responseOf(operation);
    return html`
<form class="operation" id="${operation.operationId}" data-method="${method}" data-path="${path}" data-kind="${kindOf(path)}"${operation["x-roles"] ? html` data-signed` : ""}>
<div class="about">
<h3><a href="#${operation.operationId}">${operation.summary}</a></h3>
<p class="path"><span class="verb ${method}">${method}</span> <code>${path}</code></p>
<p class="roles"><span class="quiet">Open to</span> ${rolesOf(operation).map((role) => html`<span class="role">${role}</span> `)}</p>
${operation.description ? prose(operation.description) : ""}
${parameters.length > 0 ? html`<h4>Parameters</h4><dl class="fields">${parameters.map((parameter) => field(entry, parameter))}</dl>` : ""}
${body ? html`<h4>Body <span class="type">${type}</span></h4>${isForm ? html`<dl class="fields">${formFields(body.schema)}</dl>` : members(body.schema)}` : ""}
${answers(operation)}
</div>
<div class="try">
<div class="panel">
<div class="tabs" role="group" aria-label="Language of the sample"><button type="button" data-language="curl">curl</button><button type="button" data-language="javascript">JavaScript</button><button type="button" data-language="python">Python</button><button type="button" class="copy">Copy</button></div>
<pre class="sample"></pre>
${start ? html`<label>Body<textarea spellcheck="false" rows="${start.split("\n").length}">${start}</textarea></label>` : ""}
<button class="send">Send</button>
</div>
<div class="panel answer" aria-live="polite"><p class="outcome">${successOf(operation)?.[0]} <span class="quiet">${answer ? "example" : "no content"}</span></p>
${answer ? html`<pre class="json">${JSON.stringify(exampleOf(answer.schema), null, 2)}</pre>` : ""}</div>
</div>
</form>`;
  }

  const link = ({ path, method, operation }: Entry) => {
    const words = `${operation.operationId} ${path} ${method}`;
    const more = `${rolesOf(operation).join(" ")} ${operation.tags.join(" ")} ${operation.description ?? ""}`;
    return html`<li><a href="#${operation.operationId}" data-words="${words}" data-more="${more}"><span>${operation.summary}</span><span class="verb ${method}">${method}</span></a></li>`;
  };

  return layout({
    title: `${info.title} reference`,
    script: "/docs/reference.js",
    name: "reference",
    body: html`<nav class="side" aria-label="Operations">
<div class="bar"><a class="brand" href="/">${info.title}</a><a id="session" href="#login">Sign in</a>
<button type="button" id="menu" aria-expanded="false" aria-controls="index">Menu</button></div>
<input type="search" id="search" placeholder="Search  /" aria-label="Search operations" autocomplete="off">
<div id="index">${groups.map(({ name, entries }) => html`<section><h2><a href="#${name}">${name}</a></h2><ul>${entries.map(link)}</ul></section>`)}
<section><h2><a href="#types">Types</a></h2><ul>${Object.keys(components.schemas).map((name) => html`<li><a href="#type-${name}" data-words="type" data-more=""><span>${name}</span></a></li>`)}</ul></section>
<p id="nothing" hidden>No operation has these words.</p></div>
</nav>
<main>
<header><h1>${info.title} <small>${info.version}</small></h1>
${prose(info.description)}
<p>Each operation can be sent from here. Start with <a href="#login">signing in</a>: the page then sends your token with
every request. Ids are filled in from the responses you get. <a href="/openapi.json">openapi.json</a> describes the same to
programs.</p></header>
${groups.map(({ name, description, entries }) => html`<section class="group"><h2 id="${name}">${name}</h2><p>${description}</p>${entries.map(article)}</section>`)}
<section class="group"><h2 id="types">Types</h2>${Object.entries(components.schemas).map(([name, schema]) => html`<section class="model" id="type-${name}"><h3><a href="#type-${name}">${name}</a></h3>${members(schema)}</section>`)}</section>
</main>`,
  });
}
