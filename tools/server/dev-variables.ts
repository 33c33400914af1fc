/** The variables of a developer's machine, in .dev.vars. */
import { randomBytes } from "node:crypto";

const DEFAULTS = {
  ENVIRONMENT: () => "development",
  PUBLIC_URL: () => "http://localhost:8787",
  CORS_ORIGINS: () => "*",
  JWT_SECRET: () => randomBytes(48).toString("base64url"),
};

/** The names of the variables that the text of a .dev.vars sets. */
export const namesIn = (text: string): string[] =>
  [...text.matchAll(/^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=/gm)].map(([, name = ""]) => name);

/** The text with the variables that it lacks, and their names. What is there stays as it is. */
export function completeVariables(text: string): { text: string; added: string[] } {
  const known = new Set(namesIn(text));
  const missing = Object.entries(DEFAULTS).filter(([name]) => !known.has(name));
  const lines = missing.map(([name, value]) => `${name}=${value()}\n`);
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return {
    text: lines.length > 0 ? `${text}${end}${lines.join("")}` : text,
    added: missing.map(([name]) => name),
  };
}
