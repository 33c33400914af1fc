/** The OpenAPI document as the fuzzer reads it: operations, what they take, and a judge of what they answer. */
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** A JSON schema, as far as the fuzzer looks into it. */
export type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  prefixItems?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  example?: unknown;
  readOnly?: boolean;
  contentEncoding?: string;
};

export type Parameter = { name: string; in: "path" | "query" | "header"; required: boolean; schema: Schema };

/** One operation of the API. */
export type Operation = {
  id: string;
  method: string;
  path: string;
  roles: string[] | undefined;
  isPublic: boolean;
  parameters: Parameter[];
  body: { type: string; schema: Schema; isRequired: boolean } | undefined;
  /** Judges an answer: what is wrong with it by the document, or undefined. */
  judge(status: number, contentType: string | null, text: string): string | undefined;
};

type Raw = {
  operationId: string;
  "x-roles"?: string[];
  security?: object[];
  parameters?: Array<{ $ref?: string } & Parameter>;
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
};

export type Document = {
  paths: Record<string, Record<string, Raw>>;
  components: { schemas: Record<string, Schema>; parameters: Record<string, Parameter> };
};

/** Follows a reference to a schema of the document. */
export function resolve(document: Document, schema: Schema): Schema {
  const name = schema.$ref?.replace("#/components/schemas/", "");
  return name ? (document.components.schemas[name] ?? {}) : schema;
}

/** Every operation of a document. */
export function readOperations(document: Document): Operation[] {
  const ajv = new Ajv2020({ strict: false, allErrors: false });
  addFormats(ajv);
  ajv.addSchema({ $id: "document", components: document.components });
  const validators = new Map<Schema, ValidateFunction>();
  const validate = (schema: Schema) => {
    let known = validators.get(schema);
    if (!known) {
      const local = JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"document#/components'));
      known = ajv.compile(local);
      validators.set(schema, known);
    }
    return known;
  };

  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, raw]): Operation => {
      const [type, content] = Object.entries(raw.requestBody?.content ?? {})[0] ?? [];
      return {
        id: raw.operationId,
        method: method.toUpperCase(),
        path,
        roles: raw["x-roles"],
        isPublic: (raw.security ?? []).length === 0,
        parameters: (raw.parameters ?? []).map((parameter) => {
          const name = parameter.$ref?.replace("#/components/parameters/", "");
          return name ? (document.components.parameters[name] ?? parameter) : parameter;
        }),
        body:
          type && content
            ? { type, schema: content.schema, isRequired: raw.requestBody?.required ?? false }
            : undefined,
        judge(status, contentType, text) {
          const documented = raw.responses[String(status)];
          if (!documented) return `status ${status} is not documented`;
          if (!documented.content) return text === "" ? undefined : "a body where none is documented";
          const media = contentType?.split(";")[0]?.trim() ?? "";
          const schema = documented.content[media]?.schema;
          if (!documented.content[media]) return `content type ${media} is not documented for ${status}`;
          if (!schema || !media.includes("json")) return undefined;
          const check = validate(schema);
          return check(JSON.parse(text))
            ? undefined
            : `the body does not fit: ${ajv.errorsText(check.errors)}`;
        },
      };
    }),
  );
}
