/** Making what people typed harmless. */

/** Control characters, and the invisible ones that make text run backwards. */
const INVISIBLE = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text that cannot start a header, a line or a paragraph of its own. */
export const oneLine = (text: string): string => text.replace(/\s+/g, " ").replace(INVISIBLE, "").trim();

/** The lines of a longer text, each harmless. */
export const linesOf = (text: string): string[] => text.split(/\r\n|[\r\n\u2028\u2029]/).map(oneLine);

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text for HTML, in an element or in a quoted attribute. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);
