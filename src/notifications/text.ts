/** Makes the input of people harmless in messages. */

/** Control characters, and invisible characters that reverse the direction of text. */
const INVISIBLE = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Converts a text to one line that cannot start a header or a paragraph. */
export const oneLine = (text: string): string => text.replace(/\s+/g, " ").replace(INVISIBLE, "").trim();

/** Splits a longer text into harmless lines. */
export const linesOf = (text: string): string[] => text.split(/\r\n|[\r\n\u2028\u2029]/).map(oneLine);

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Escapes text for HTML, in an element or in a quoted attribute. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);
