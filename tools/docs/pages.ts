/** The generated pages of docs/. */
import { z } from "zod";

type Problem = { status: number; title: string; when?: string };

const HEAD = `<!-- Written by "npm run docs": do not edit. -->`;

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const table = (heads: readonly string[], rows: ReadonlyArray<readonly string[]>): string =>
  [heads, heads.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n");

/** docs/errors.md: each code that a client can meet. */
export function errorsPage(problems: Readonly<Record<string, Problem>>): string {
  const rows = Object.entries(problems).map(([code, { status, title, when }]) => [
    `<a id="${code}"></a>\`${code}\``,
    String(status),
    title,
    when ?? "",
  ]);
  return `${HEAD}
# Errors

Every error is an \`application/problem+json\` body (RFC 9457). Its \`code\` is stable: write programs against it, not against
\`title\` or \`detail\`. Its \`type\` is the address of this page with the code behind \`#\`.

${table(["code", "status", "title", "when"], rows)}
`;
}

/** What of a variable's JSON Schema says which values it takes. */
type Values = {
  type?: string;
  enum?: string[];
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  description?: string;
};

/** docs/configuration.md: each variable and secret, with its default. */
export function configurationPage(
  variables: z.ZodObject,
  defaults: Readonly<Record<string, unknown>>,
  secrets: readonly string[],
): string {
  // What a variable is before it is read, and where that is not known (a number), what it is afterwards.
  const schemaOf = (io: "input" | "output") =>
    z.toJSONSchema(variables, { io, unrepresentable: "any" }) as {
      properties: Record<string, Values>;
      required?: string[];
    };
  const [before, after] = [schemaOf("input"), schemaOf("output")];
  const rows = Object.keys(variables.shape).map((name) => {
    const isVariable = name in defaults;
    const values = { ...after.properties[name], ...before.properties[name] };
    const kind = isVariable
      ? `\`${JSON.stringify(defaults[name])}\``
      : secrets.includes(name)
        ? "required"
        : "optional";
    return [
      `\`${name}\``,
      isVariable ? "variable" : "secret",
      wordsOf(values),
      kind,
      values.description ?? "",
    ];
  });
  return `${HEAD}
# Configuration

Variables are in \`wrangler.toml\`: the top level is production, \`[env.staging]\` repeats it for staging. The values below are
those of production as it comes. Every \`*.example\` among them is a placeholder, which a public deployment refuses. Secrets
are set with \`wrangler secret put NAME --env=\` (\`--env staging\`). What differs on a developer's machine is in \`.dev.vars\`,
which \`npm run dev\` creates. All are checked together at the first request: while one is missing or wrong, every answer is
503 \`misconfigured\`, and the log names it.

${table(["name", "kind", "values", "default", "meaning"], rows)}
`;
}

function wordsOf({ type, format, minimum, maximum, minLength, ...values }: Values): string {
  if (values.enum) return values.enum.map((value) => `\`${value}\``).join(", ");
  if (type === "integer" || type === "number") return `a number from ${minimum} to ${maximum}`;
  if (format === "uri") return "a URL";
  if (format === "email") return "an e-mail address";
  return minLength !== undefined && minLength > 1 ? `at least ${minLength} characters` : "text";
}
