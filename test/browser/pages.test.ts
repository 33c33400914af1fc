/** The pages in a real browser: they load from us alone, the console stays silent, and they can be used. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PROBLEMS } from "../../src/http/problems.ts";
import { PASSWORD, type Server, startServer } from "../../tools/server/server.ts";

const PATHS = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];
// Chromium on its own would ask hosts that have nothing to do with the page.
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
];

let server: Server;
let browser: Browser;

beforeAll(async () => {
  const executablePath = PATHS.find((path) => path !== undefined && existsSync(path));
  if (!executablePath) throw new Error("no Chromium found: install it, or name it in CHROMIUM");
  server = await startServer();
  await server.customer("carol");
  await server.car("WVWZZZ1KZAW000001");
  browser = await chromium.launch({ executablePath, args: ARGS });
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** Opens a page of ours; notes requests to other hosts, and errors, which include violations of the page's policy. */
async function open(path: string, view: { width?: number; colorScheme?: "light" | "dark" } = {}) {
  const { width = 1280, colorScheme = "light" } = view;
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const faults: string[] = [];
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== server.url.origin) faults.push(`asked ${request.url()}`);
  });
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.goto(new URL(path, server.url).toString(), { waitUntil: "networkidle" });
  return { page, faults };
}

/** Sends an operation of the reference page as it stands; returns the request, and the status that is shown. */
async function send(page: Page, operation: string) {
  const form = page.locator(`form#${operation}`);
  const [response] = await Promise.all([
    // The page itself asks for a car and its free slots, with which it fills in the forms.
    page.waitForResponse(
      (candidate) =>
        candidate.request().resourceType() === "fetch" &&
        !/page_size=1$|available-slots\?from=/.test(candidate.url()),
    ),
    form.locator("button.send").click(),
  ]);
  const status = form.locator(".outcome .status", { hasText: String(response.status()) });
  await status.waitFor();
  return { request: response.request(), status: await status.textContent(), form };
}

const overflow = (page: Page) => page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
const background = (page: Page) => page.evaluate("getComputedStyle(document.body).backgroundColor");

describe("the reference page", () => {
  test("shows operations, their roles and samples in three languages without any action of the reader", async () => {
    const { page, faults } = await open("/docs");
    const first = await page.locator("form.operation").first().boundingBox();
    expect(first?.y).toBeLessThan(900);
    expect(await page.locator("form#listMyBookings .role").allTextContents()).toEqual(["CUSTOMER"]);
    expect(await page.locator("form#listCars .role").allTextContents()).toEqual(["Anyone"]);
    const sample = page.locator("form#createBooking pre.sample");
    expect(await sample.textContent()).toContain("curl -X POST");
    await page.locator("form#listCars button", { hasText: "Python" }).click();
    expect(await sample.textContent()).toContain("requests.post(");
    await page.locator("form#listCars button", { hasText: "JavaScript" }).click();
    expect(await sample.textContent()).toContain("await fetch(");
    expect(faults).toEqual([]);
    await page.close();
  });

  test("finds operations by the words of their summary, path or role", async () => {
    const { page, faults } = await open("/docs");
    const found = page.locator("#index li:visible a");
    const targets = () => found.evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    // A machine that is busy may still be painting when the key comes.
    await expect
      .poll(async () => {
        await page.keyboard.press("/");
        return page.evaluate("document.activeElement.id");
      })
      .toBe("search");
    await page.locator("#search").fill("");
    await page.keyboard.type("available slots");
    await expect.poll(targets).toEqual(["#listAvailableSlots"]);
    await page.locator("#search").fill("getOpsStatus admin");
    await expect.poll(targets).toEqual(["#getOpsStatus"]);
    await page.locator("#search").fill("bookings post drive");
    await expect.poll(targets).toEqual(["#createBooking"]);
    await page.keyboard.press("Enter");
    expect(page.url()).toMatch(/#createBooking$/);
    await page.locator('#index [aria-current][href="#createBooking"]').waitFor();
    // Fields of its own named "id" and "name" do not lead a form astray.
    await page.goto(`${page.url().split("#")[0]}#getPhotoFile`);
    await page.locator('#index [aria-current][href="#getPhotoFile"]').waitFor();
    await page.locator("#search").fill("no such words");
    expect(await page.locator("#nothing").isVisible()).toBe(true);
    expect(faults).toEqual([]);
    await page.close();
  });

  test("sends requests: the stock, a login, and two bookings with a key each", async () => {
    const { page, faults } = await open("/docs");
    const cars = await send(page, "listCars");
    expect([cars.status, new URL(cars.request.url()).search]).toEqual(["200", ""]);
    expect(await cars.form.locator(".answer pre.json").textContent()).toContain('"count": 1');

    const login = JSON.stringify({ username: "carol", password: PASSWORD });
    await page.locator("form#login textarea").fill(login);
    expect((await send(page, "login")).status).toBe("200");
    expect(await page.locator("#session").textContent()).toBe("Sign out carol");

    const booked = await send(page, "createBooking");
    expect(booked.status).toBe("201");
    expect(faults).toEqual([]);
    // The slot is taken now. The refusal names free ones, of which the page fills in the first.
    const refused = await send(page, "createBooking");
    expect(refused.status).toBe("409");
    expect((await send(page, "createBooking")).status).toBe("201");
    const keys = [booked, refused].map(({ request }) => request.headers()["idempotency-key"]);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(keys[1]).not.toBe(keys[0]);
    await page.close();
  });

  test("follows the system's dark mode and fits a phone", async () => {
    const phone = await open("/docs#createBooking", { width: 390, colorScheme: "dark" });
    const desktop = await open("/docs");
    expect(await background(phone.page)).not.toBe(await background(desktop.page));
    expect(await overflow(phone.page)).toBeLessThanOrEqual(0);
    await phone.page.locator("#menu").click();
    await phone.page.locator('#index a[href="#listCars"]').click();
    expect(phone.page.url()).toMatch(/#listCars$/);
    expect([...phone.faults, ...desktop.faults]).toEqual([]);
    await Promise.all([phone.page.close(), desktop.page.close()]);
  });
});

describe("the other pages", () => {
  test("have an anchor for each error", async () => {
    const { page, faults } = await open("/docs/errors/", { width: 390 });
    expect(await page.locator("section[id]").evaluateAll((found) => found.map(({ id }) => id))).toEqual(
      Object.keys(PROBLEMS),
    );
    expect([await overflow(page), faults]).toEqual([0, []]);
    await page.close();
  });

  test("are linked from the landing page", async () => {
    const { page, faults } = await open("/", { width: 390 });
    const links = await page
      .locator("a")
      .evaluateAll((found) => found.map((link) => link.getAttribute("href")));
    expect(links).toEqual(expect.arrayContaining(["/docs", "/docs/errors", "/openapi.json"]));
    for (const link of links) expect((await fetch(new URL(link ?? "", server.url))).status).toBe(200);
    expect(await page.locator("pre").textContent()).toContain(`curl '${server.url.origin}/api/cars`);
    expect([await overflow(page), faults]).toEqual([0, []]);
    await page.close();
  });

  test("verify an address by the button alone, once", async () => {
    const { user } = await server.customer("verena");
    const token = "a-token-of-the-mail";
    await server.db
      .prepare(
        "INSERT INTO email_verifications (token_hash, user_id, email, created_at, expires_at) VALUES (?, ?, 'verena@example.com', 0, 9e12)",
      )
      .bind(createHash("sha256").update(token).digest("hex"), user.id)
      .run();
    const verified = () =>
      server.db.prepare("SELECT email_verified_at AS at FROM users WHERE id = ?").bind(user.id).first("at");
    const { page, faults } = await open(`/verify-email#token=${token}`, { width: 390 });
    expect(await verified()).toBeNull();
    await page.locator("#verify button").click();
    await page.locator("#outcome", { hasText: "your e-mail address is confirmed" }).waitFor();
    expect(await page.locator("#verify").isVisible()).toBe(false);
    expect(await verified()).not.toBeNull();
    expect([await overflow(page), faults]).toEqual([0, []]);
    await page.reload();
    await page.locator("#verify button").click();
    await page.locator("#outcome", { hasText: "This link is no longer valid" }).waitFor();
    await page.close();
    const without = await open("/verify-email");
    expect(await without.page.locator("#outcome").textContent()).toContain("This link is no longer valid");
    await without.page.close();
  });

  test("offer another reset link when the first was used", async () => {
    const { page } = await open("/reset-password#token=used", { width: 390 });
    await page.locator("#show").check();
    expect(await page.locator("#password").getAttribute("type")).toBe("text");
    await page.locator("#password").fill("a long phrase of mine");
    await page.locator("#reset button").click();
    await page.locator("#email").fill("carol@example.com");
    await page.locator("#again button").click();
    await page.locator("#outcome", { hasText: "a new link is on its way" }).waitFor();
    expect(await overflow(page)).toBe(0);
    await page.close();
  });
});
