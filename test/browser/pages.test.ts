/** The pages in a real browser: they ask nobody but us, they say nothing in the console, and they can be used. */
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PASSWORD, type Server, startServer } from "../../tools/server/server.ts";

const PATHS = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

let server: Server;
let browser: Browser;

beforeAll(async () => {
  const executablePath = PATHS.find((path) => path !== undefined && existsSync(path));
  if (!executablePath) throw new Error("no Chromium found: install it, or name it in CHROMIUM");
  server = await startServer();
  await server.customer("dora");
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** Opens a page of ours and notes what it asks for and what it complains of. */
async function open(path: string, width = 1200) {
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  const strangers: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "data:" && url.origin !== server.url.origin) strangers.push(request.url());
  });
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(new URL(path, server.url).toString(), { waitUntil: "networkidle" });
  return { page, strangers, complaints };
}

/** Executes an operation in the reference page; returns the status shown. */
async function execute(page: Page, operation: string, body?: unknown): Promise<string> {
  const block = page.locator(`#operations-${operation}`);
  await block.locator(".opblock-summary-control").click();
  if (body !== undefined) await block.locator("textarea.body-param__text").fill(JSON.stringify(body));
  await block.locator("button.execute").click();
  const status = block.locator(".live-responses-table .response-col_status").last();
  await status.waitFor();
  return ((await status.textContent()) ?? "").trim();
}

describe("the reference page", () => {
  test("signs in and tries an operation as that user, without asking anybody else", async () => {
    const { page, strangers, complaints } = await open("/docs");
    await page.locator(".opblock").first().waitFor();
    expect(await page.locator(".opblock").count()).toBeGreaterThan(20);
    expect(await execute(page, "Auth-login", { username: "dora", password: PASSWORD })).toMatch(/^200/);
    expect(await execute(page, "Auth-getMe")).toMatch(/^200/);
    const shown = page.locator("#operations-Auth-getMe .live-responses-table .highlight-code").first();
    expect(await shown.textContent()).toContain('"username": "dora"');
    expect(strangers).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("fits a phone", async () => {
    const { page, complaints } = await open("/docs", 390);
    const overflow = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
    expect(overflow).toBeLessThanOrEqual(0);
    expect(complaints).toEqual([]);
    await page.close();
  });
});

describe("the landing page", () => {
  test("leads to the reference, and every link of it works", async () => {
    const { page, strangers, complaints } = await open("/", 390);
    const links = await page
      .locator("a")
      .evaluateAll((found) => found.map((link) => link.getAttribute("href")));
    expect(links).toContain("/docs");
    for (const link of links) expect((await fetch(new URL(link ?? "", server.url))).status).toBe(200);
    expect([strangers, complaints]).toEqual([[], []]);
    await page.close();
  });
});
