// Makes the reference page interactive: search, code samples, and requests that can be sent.
const forms = [...document.querySelectorAll("form.operation")];
const find = (id) => document.getElementById(id);

// ---------------------------------------------------------------- values from earlier responses
/** Ids, a start time and tokens, by the names that requests use. */
const known = {};
const drafts = new Map(forms.map((form) => [form, form.querySelector("textarea")?.value]));

/** Stores the ids of a response, so that the next requests use ids that exist. */
function learn(kind, body) {
  const list = body.results ?? (Array.isArray(body) ? body : [body]);
  // Prefer a record that can still be booked, sold or approved.
  const record = list.find(({ status }) => ["AVAILABLE", "PENDING"].includes(status)) ?? list[0];
  // A new account needs an unused name.
  known.username = `visitor-${Math.random().toString(36).slice(2, 8)}`;
  if (record?.id) known[kind] = record.id;
  for (const name of ["customer", "salesperson", "refresh"])
    if (typeof record?.[name] === "string") known[name] = record[name];
  const photos = kind === "photo" ? [record] : record?.photos;
  if (photos) [known.photo, known.photo_name] = [photos[0]?.id, photos[0]?.url?.split("/").pop()];
  const slot = body.alternatives?.[0] ?? record;
  if (slot?.start_at && !slot.id) known.start_at = slot.start_at;
  for (const form of forms) fill(form);
}

/** Fills in known values, except where the reader has edited. */
function fill(form) {
  for (const input of form.querySelectorAll("[data-fill]"))
    if (!input.dataset.edited) input.value = known[input.dataset.fill] ?? "";
  const text = form.querySelector("textarea");
  if (text && !text.dataset.edited) {
    const body = JSON.parse(drafts.get(form));
    for (const name of Object.keys(body)) if (body[name] === "") body[name] = known[name] ?? "";
    text.value = JSON.stringify(body, null, 2);
  }
  showSample(form);
}

// ---------------------------------------------------------------- the session
// Stored for this tab only, so that a reload does not sign out.
const session = sessionStorage;
const token = () => session.getItem("access");

function showSession() {
  find("session").textContent = token() ? `Sign out ${session.getItem("user")}` : "Sign in";
}
/** Stores the tokens of a login or refresh for later requests. */
function signIn({ access, user }) {
  session.setItem("access", access);
  if (user) session.setItem("user", user.username);
  showSession();
}
function signOut() {
  session.clear();
  showSession();
}
find("session").addEventListener("click", (event) => {
  if (!token()) return;
  event.preventDefault();
  signOut();
});

// ---------------------------------------------------------------- one request
/** The request of a form. Values that differ each time (token, key) appear as names. */
function requestOf(form) {
  const { method, path, signed } = form.dataset;
  const fields = [...form.querySelectorAll("[data-in]")];
  const given = (place) =>
    fields.filter((field) => field.dataset.in === place && (field.value !== "" || field.required));
  const query = new URLSearchParams(given("query").map(({ name, value }) => [name, value]));
  const filled = given("path").reduce(
    (all, { name, value }) => all.replace(`{${name}}`, value ? encodeURIComponent(value) : `{${name}}`),
    path,
  );
  const headers = given("header").map(({ name, value }) => [name, value]);
  const key = fields.find(({ name }) => name === "Idempotency-Key");
  const text = form.querySelector("textarea")?.value;
  return {
    method,
    url: `${location.origin}${filled}${query.size > 0 ? `?${query}` : ""}`,
    headers: text === undefined ? headers : [["Content-Type", "application/json"], ...headers],
    needsToken: signed !== undefined,
    needsKey: key !== undefined && key.value === "",
    text,
    parts: given("form"),
  };
}

async function send(form) {
  const { method, url, headers, needsKey, text, parts } = requestOf(form);
  const all = new Headers(headers);
  if (token()) all.set("Authorization", `Bearer ${token()}`);
  if (needsKey) all.set("Idempotency-Key", crypto.randomUUID());
  let body = text;
  if (parts.length > 0) {
    body = new FormData();
    for (const part of parts) body.append(part.name, part.files ? part.files[0] : part.value);
  }
  const started = performance.now();
  try {
    const response = await fetch(url, { method, headers: all, body });
    const type = response.headers.get("Content-Type") ?? "";
    const answer = type.startsWith("image/") ? await response.blob() : await response.text();
    const took = Math.round(performance.now() - started);
    showAnswer(form, response, answer, `${took} ms`, all.get("Idempotency-Key"));
    if (!type.includes("json")) return;
    const json = JSON.parse(answer);
    if (json.code === "invalid_token") signOut();
    if (json.access) signIn(json);
    learn(form.dataset.kind, json);
  } catch (error) {
    form.querySelector(".outcome").textContent = `No response: ${error.message}`;
  }
}

const element = (name, className, ...children) => {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
};

function showAnswer(form, response, answer, took, key) {
  const status = element("span", `status s${String(response.status)[0]}`, `${response.status}`);
  const outcome = element("p", "outcome", status, ` ${took}`);
  if (key) outcome.append(element("span", "quiet key", `Idempotency-Key ${key}`));
  const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  const details = element("details", "", element("summary", "", "Headers"), element("pre", "", headers));
  const shown = [outcome, details];
  if (answer instanceof Blob) {
    const image = element("img", "");
    image.alt = "The response";
    image.src = response.url;
    shown.push(image);
  } else if (answer) {
    let text = answer;
    try {
      text = JSON.stringify(JSON.parse(answer), null, 2);
    } catch {
      // Not JSON: shown unchanged.
    }
    const pre = element("pre", "json", text);
    colour(pre);
    shown.push(pre);
  }
  form.querySelector(".answer").replaceChildren(...shown);
}

/** Colours the names, texts and numbers of JSON. */
function colour(pre) {
  const parts = pre.textContent.split(
    /("(?:\\.|[^"\\])*"(?:\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*)/,
  );
  pre.replaceChildren(
    ...parts.map((part, index) => {
      if (index % 2 === 0) return part;
      return element("span", part.endsWith(":") ? "name" : part.startsWith('"') ? "text" : "number", part);
    }),
  );
}

// ---------------------------------------------------------------- code samples
const LANGUAGES = {
  curl({ method, url, headers, needsToken, needsKey, text, parts }) {
    const quote = (value) => `'${value.replaceAll("'", "'\\''")}'`;
    const options = [
      ...headers.map((header) => `-H ${quote(header.join(": "))}`),
      ...(needsToken ? ['-H "Authorization: Bearer $TOKEN"'] : []),
      ...(needsKey ? ['-H "Idempotency-Key: $(uuidgen)"'] : []),
      ...(text === undefined ? [] : [`-d ${quote(text)}`]),
      ...parts.map(
        ({ name, files, value }) => `-F ${quote(`${name}=${files ? `@${fileName(files)}` : value}`)}`,
      ),
    ];
    return [`curl ${method === "GET" ? "" : `-X ${method} `}${quote(url)}`, ...options].join(" \\\n  ");
  },
  javascript({ method, url, headers, needsToken, needsKey, text, parts }) {
    const lines = [
      ...headers.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`),
      ...(needsToken ? [`Authorization: \`Bearer \${token}\``] : []),
      ...(needsKey ? ['"Idempotency-Key": crypto.randomUUID()'] : []),
    ];
    const options = [
      ...(method === "GET" ? [] : [`  method: "${method}",`]),
      ...(lines.length === 0 ? [] : [`  headers: {\n${lines.map((line) => `    ${line},\n`).join("")}  },`]),
      ...(text === undefined ? [] : [`  body: JSON.stringify(${text.replaceAll("\n", "\n  ")}),`]),
      ...(parts.length === 0 ? [] : ["  body: form,"]),
    ];
    const form = parts.map(
      ({ name, files, value }) =>
        `form.append(${JSON.stringify(name)}, ${files ? "input.files[0]" : JSON.stringify(value)});\n`,
    );
    return `${parts.length > 0 ? `const form = new FormData();\n${form.join("")}` : ""}const response = await fetch(${JSON.stringify(url)}${
      options.length > 0 ? `, {\n${options.join("\n")}\n}` : ""
    });\nconsole.log(response.status, await response.text());`;
  },
  python({ method, url, headers, needsToken, needsKey, text, parts }) {
    const lines = [
      ...headers
        .filter(([name]) => name !== "Content-Type")
        .map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`),
      ...(needsToken ? ['"Authorization": f"Bearer {token}"'] : []),
      ...(needsKey ? ['"Idempotency-Key": str(uuid.uuid4())'] : []),
    ];
    const file = parts.find((part) => part.files);
    const rest = parts.filter((part) => !part.files);
    const options = [
      `    ${JSON.stringify(url)},`,
      ...(lines.length === 0
        ? []
        : [`    headers={\n${lines.map((line) => `        ${line},\n`).join("")}    },`]),
      ...(text === undefined
        ? []
        : [`    json=${pythonOf(text.replaceAll(/^ +/gm, "$&$&")).replaceAll("\n", "\n    ")},`]),
      ...(file ? [`    files={"${file.name}": open(${JSON.stringify(fileName(file.files))}, "rb")},`] : []),
      ...(rest.length > 0
        ? [`    data={${rest.map(({ name, value }) => `"${name}": ${JSON.stringify(value)}`).join(", ")}},`]
        : []),
    ];
    return `${needsKey ? "import uuid\n" : ""}import requests\n\nresponse = requests.${method.toLowerCase()}(\n${options.join("\n")}\n)\nprint(response.status_code, response.text)`;
  },
};
const fileName = (files) => files[0]?.name ?? "photo.jpg";
/** JSON as a Python literal: only three words outside strings differ. */
const pythonOf = (json) =>
  json.replace(
    /"(?:\\.|[^"\\])*"|\b(?:true|false|null)\b/g,
    (part) => ({ true: "True", false: "False", null: "None" })[part] ?? part,
  );

const language = () => document.body.dataset.language;
function showSample(form) {
  form.querySelector(".sample").textContent = LANGUAGES[language()](requestOf(form));
}
function chooseLanguage(name) {
  document.body.dataset.language = name;
  localStorage.setItem("language", name);
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute?.("aria-pressed", String(button.dataset.language === name));
  for (const form of forms) showSample(form);
}

// ---------------------------------------------------------------- search and navigation
const links = [...document.querySelectorAll("#index li a")];
const search = find("search");
const openIndex = (open) => {
  document.body.classList.toggle("index-open", open);
  find("menu").setAttribute("aria-expanded", String(open));
};

/** Shows the links whose name has all words. If there are none, searches their descriptions. */
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const having = (textOf) =>
    links.filter((link) => words.every((word) => textOf(link).toLowerCase().includes(word)));
  const named = having((link) => `${link.textContent} ${link.dataset.words}`);
  const found =
    named.length > 0
      ? named
      : having((link) => `${link.textContent} ${link.dataset.words} ${link.dataset.more}`);
  for (const link of links) link.parentElement.hidden = !found.includes(link);
  for (const section of document.querySelectorAll("#index section"))
    section.hidden = !section.querySelector("li:not([hidden])");
  find("nothing").hidden = found.length > 0;
}
search.addEventListener("input", () => {
  filter();
  openIndex(true);
});
search.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" && event.key !== "Enter") return;
  if (event.key === "Enter") links.find((link) => !link.parentElement.hidden)?.click();
  search.value = "";
  filter();
  search.blur();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, textarea, select")) return;
  event.preventDefault();
  search.focus();
});
find("menu").addEventListener("click", () => openIndex(!document.body.classList.contains("index-open")));
find("index").addEventListener("click", (event) => {
  if (event.target.closest("a")) openIndex(false);
});

const byTarget = new Map(links.map((link) => [link.hash.slice(1), link]));
const observer = new IntersectionObserver(
  (entries) => {
    const seen = entries.find((entry) => entry.isIntersecting);
    if (!seen) return;
    document.querySelector("#index [aria-current]")?.removeAttribute("aria-current");
    // Not `.id`: in a form with a field named "id", that is the field.
    const link = byTarget.get(seen.target.getAttribute("id"));
    link.setAttribute("aria-current", "true");
    // Not scrollIntoView, because it would also move the page.
    find("index").scrollTop = link.offsetTop - find("index").clientHeight / 2;
  },
  { rootMargin: "-20% 0px -70% 0px" },
);

// ---------------------------------------------------------------- start
for (const form of forms) {
  observer.observe(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  form.addEventListener("input", (event) => {
    event.target.dataset.edited = "yes";
    showSample(form);
  });
  form.querySelector(".copy").addEventListener("click", async ({ target }) => {
    await navigator.clipboard.writeText(form.querySelector(".sample").textContent);
    target.textContent = "Copied";
    setTimeout(() => {
      target.textContent = "Copy";
    }, 1500);
  });
}
for (const button of document.querySelectorAll("button[data-language]"))
  button.addEventListener("click", () => chooseLanguage(button.dataset.language));
for (const pre of document.querySelectorAll("pre.json")) colour(pre);
showSession();
const saved = localStorage.getItem("language");
chooseLanguage(saved in LANGUAGES ? saved : "curl");

/** Finds a car in stock and a free slot, so that the first requests have ids that exist. */
async function lookAround() {
  const day = (offset) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
  Object.assign(known, { from: day(1), to: day(7) });
  const cars = await (await fetch("/api/cars?status=AVAILABLE&page_size=1")).json();
  learn("car", cars);
  if (!known.car) return;
  learn(
    "slot",
    await (await fetch(`/api/cars/${known.car}/available-slots?from=${known.from}&to=${known.to}`)).json(),
  );
}
lookAround().catch(() => {
  // If the stock cannot be read, the ids stay empty.
});
