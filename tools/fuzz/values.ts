/** Values for a schema: good ones, and every kind of bad one. */
import type { Random } from "../random.ts";
import { type Document, resolve, type Schema } from "./document.ts";

/** Makes a good value for a member by its name, where the schema does not suffice (ids, names, times). */
export type Hints = (name: string) => unknown;

/** A value that fits a schema. `undefined` leaves an optional member out. */
export function goodValue(
  document: Document,
  given: Schema,
  random: Random,
  hints: Hints,
  name = "",
): unknown {
  const schema = resolve(document, given);
  const hint = hints(name);
  if (hint !== undefined) return hint;
  if (schema.enum) return random.pick(schema.enum);
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives) return goodValue(document, random.pick(alternatives), random, hints, name);
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  switch (random.pick(types)) {
    case "object":
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(
            ([member, { readOnly }]) =>
              !readOnly && (schema.required?.includes(member) || random.chance(0.6)),
          )
          .map(([member, part]) => [member, goodValue(document, part, random, hints, member)]),
      );
    case "array":
      if (schema.prefixItems)
        return schema.prefixItems.map((part) => goodValue(document, part, random, hints, name));
      return Array.from({ length: random.between(0, 3) }, () =>
        goodValue(document, schema.items ?? {}, random, hints, name),
      );
    case "integer":
      return random.between(schema.minimum ?? 0, Math.min(schema.maximum ?? 100, 3000));
    case "number":
      return random.between((schema.minimum ?? 0) * 100, (schema.maximum ?? 100_000) * 100) / 100;
    case "boolean":
      return random.chance(0.5);
    case "null":
      return null;
    default:
      return goodText(schema, random);
  }
}

const LETTERS = "abc XYZ äß 漢字 'quoted' \"double\" <b>&amp; 0-9.%_";

function goodText(schema: Schema, random: Random): string {
  if (schema.format === "uuid") return crypto.randomUUID();
  if (schema.format === "date")
    return new Date(Date.now() + random.between(-3, 30) * 86_400_000).toISOString().slice(0, 10);
  if (schema.format === "date-time")
    return new Date(Date.now() + random.between(-30, 30) * 86_400_000).toISOString();
  if (schema.format === "email") return `f${random.between(0, 1e9)}@example.com`;
  if (typeof schema.example === "string" && random.chance(0.7)) return schema.example;
  const length = random.between(Math.max(1, schema.minLength ?? 1), Math.min(schema.maxLength ?? 40, 40));
  return Array.from({ length }, () => LETTERS[random.between(0, LETTERS.length - 1)]).join("");
}

const DEEP = JSON.parse(`${"[".repeat(500)}${"]".repeat(500)}`);

/** Texts that have broken somebody's server. */
export const NASTY_TEXTS = [
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\u202eevil",
  "'; DROP TABLE users; --",
  '" OR 1=1',
  "%00",
  "%",
  "../../etc/passwd",
  "<script>alert(1)</script>",
  "{{7*7}}",
  "NaN",
  "Infinity",
  "-0",
  "1e309",
  "9007199254740993",
  "99999999999999999999999999",
  "0x10",
  "2026-02-30",
  "99999-01-01",
  "2026-02-30T25:61:61Z",
  "true",
  "null",
  "__proto__",
  "x".repeat(10_000),
  "😀".repeat(100),
  "\r\nSet-Cookie: a=b",
];

/** A value of a kind that the schema surely does not allow; `undefined` when it allows nearly everything. */
export function wrongKind(document: Document, given: Schema, random: Random): unknown {
  const schema = resolve(document, given);
  if (schema.anyOf || schema.oneOf || schema.type === undefined) return undefined;
  const types = new Set(Array.isArray(schema.type) ? schema.type : [schema.type]);
  const wrong: unknown[] = [DEEP, { a: { b: 1 } }];
  if (!types.has("boolean")) wrong.push(true);
  if (!types.has("number") && !types.has("integer")) wrong.push(5, -1, 1.5);
  if (!types.has("null")) wrong.push(null);
  const fitting = types.has("object") || types.has("array") ? [5, "text", true] : wrong;
  return random.pick(fitting);
}

/** Any value. */
export const anything = (random: Random): unknown =>
  random.pick<unknown>([
    ...NASTY_TEXTS,
    null,
    true,
    0,
    -1,
    1.005,
    1e21,
    Number.MAX_SAFE_INTEGER,
    [],
    {},
    DEEP,
    ["a", 1],
    crypto.randomUUID(),
  ]);
