/** The layout of every e-mail: one content, as text and as HTML for a phone. Pure. It escapes all values. */
import { escapeHtml, linesOf, oneLine } from "./text.ts";

/** The content of a message, without its layout. */
export type Content = {
  subject: string;
  heading: string;
  paragraphs: string[];
  /** Labelled facts, such as the car and the time. */
  details: Array<[label: string, value: string]>;
  /** A person's own words, of any number of lines. */
  quote?: { label: string; words: string } | undefined;
  link?: { label: string; url: string } | undefined;
  /** Small print. */
  footnotes: string[];
};

/** A rendered e-mail. */
export type Email = { subject: string; text: string; html: string };

/** Renders a content as an e-mail. `sender`: the name that the reader sees. */
export const renderEmail = (content: Content, sender: string): Email => ({
  subject: oneLine(content.subject),
  text: asText(content, sender),
  html: asHtml(content, sender),
});

function asText({ heading, paragraphs, details, quote, link, footnotes }: Content, sender: string): string {
  const blocks = [
    oneLine(heading),
    ...paragraphs.map(oneLine),
    details.map(([label, value]) => `${label}: ${oneLine(value)}`).join("\n"),
    // The mark at the start of each line keeps a person's words from being read as ours.
    quote ? [`${quote.label}:`, ...linesOf(quote.words).map((line) => `> ${line}`)].join("\n") : "",
    link ? `${link.label}: ${link.url}` : "",
    ["--", oneLine(sender), ...footnotes.map(oneLine)].join("\n"),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

// Mail programs drop style sheets, so each element has its own style. Long words break instead of widening the page.
const STYLE = {
  body: "margin:0;padding:0;background:#eef0f2;-webkit-text-size-adjust:100%",
  page: "max-width:560px;margin:0 auto;padding:20px 12px;font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;color:#1c2024;overflow-wrap:anywhere;word-break:break-word",
  sender: "margin:0 8px 12px;font-size:15px;font-weight:600;color:#4a5560",
  card: "background:#ffffff;border-radius:12px;padding:24px 20px",
  heading: "margin:0 0 16px;font-size:23px;line-height:1.25;font-weight:700",
  paragraph: "margin:0 0 14px",
  details: "margin:4px 0 18px;border-top:1px solid #e1e5e9",
  row: "padding:10px 0;border-bottom:1px solid #e1e5e9",
  label: "font-size:13px;color:#5b6670",
  value: "font-weight:600",
  quote: "margin:0 0 18px;padding:2px 0 2px 14px;border-left:3px solid #c5ccd3",
  button:
    "display:block;background:#0b57a4;color:#ffffff;text-decoration:none;text-align:center;font-weight:600;padding:13px 16px;border-radius:8px",
  small: "margin:14px 8px 0;font-size:13px;color:#5b6670",
};

function asHtml({ subject, heading, paragraphs, details, quote, link, footnotes }: Content, sender: string) {
  const rows = details.map(
    ([label, value]) =>
      `<div style="${STYLE.row}"><div style="${STYLE.label}">${safe(label)}</div><div style="${STYLE.value}">${safe(value)}</div></div>`,
  );
  const card = [
    `<h1 style="${STYLE.heading}">${safe(heading)}</h1>`,
    ...paragraphs.map((paragraph) => `<p style="${STYLE.paragraph}">${safe(paragraph)}</p>`),
    rows.length > 0 ? `<div style="${STYLE.details}">${rows.join("\n")}</div>` : "",
    quote
      ? `<div style="${STYLE.label}">${safe(quote.label)}</div>\n<div style="${STYLE.quote}">${linesOf(quote.words).map(safe).join("<br>")}</div>`
      : "",
    link ? `<a style="${STYLE.button}" href="${escapeHtml(link.url)}">${safe(link.label)}</a>` : "",
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light"><title>${safe(subject)}</title></head>
<body style="${STYLE.body}"><div style="${STYLE.page}">
<p style="${STYLE.sender}">${safe(sender)}</p>
<div style="${STYLE.card}">
${card.filter((part) => part !== "").join("\n")}
</div>
${footnotes.map((note) => `<p style="${STYLE.small}">${safe(note)}</p>`).join("\n")}
</div></body></html>
`;
}

const safe = (text: string): string => escapeHtml(oneLine(text));
