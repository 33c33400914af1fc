/** The frame of the generated pages, and the small part of Markdown that descriptions use. */
import { html } from "hono/html";

/** A piece of HTML whose values are escaped. */
export type Html = ReturnType<typeof html>;

/** A whole page of the documentation. */
export const layout = (page: {
  name: string;
  title: string;
  body: Html;
  script?: string;
}) => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${page.title}</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/style.css">
<link rel="stylesheet" href="/docs/${page.name}.css">
${page.script ? html`<script src="${page.script}" defer></script>` : ""}
</head>
<body class="${page.name}">
${page.body}
</body>
</html>
`;

/** Text in which `code` and [links](/to) are marked as in Markdown. */
export const codeSpans = (text: string) =>
  text.split(/(`[^`]+`|\[[^\]]+\]\([^)]+\))/).map((part) => {
    if (part.startsWith("`")) return html`<code>${part.slice(1, -1)}</code>`;
    const [, label, target] = /^\[(.+)\]\((.+)\)$/.exec(part) ?? [];
    return label && target ? html`<a href="${target}">${label}</a>` : part;
  });

/** Paragraphs of such text. */
export const prose = (text: string): Html =>
  html`${text.split(/\n{2,}/).map((paragraph) => html`<p>${codeSpans(paragraph)}</p>`)}`;
