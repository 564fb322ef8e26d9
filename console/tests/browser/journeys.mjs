// What a person does in the console, in a real browser against a real server: journeys.mjs NAME
// URL, KEY, EMAIL, PASSWORD and the rest come by environment; pytest (tests/browser) sets the scene and runs this.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { CHROMIUM, GLIA_URL, GLIA_KEY, EMAIL, PASSWORD, SHOTS, SESSION, RUN, BASE, AGENT } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

const journeys = {
  async first_answer(page) {
    await page.goto(GLIA_URL);
    await page.getByLabel("Email").fill(EMAIL);
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Make it and ask" }).click();
    await page.getByRole("region", { name: "Sources" }).waitFor();
    await page.getByRole("button", { name: /^Source 1:/ }).click();
    await page.getByRole("dialog").getByText("Hotels cost at most 140 euros").first().waitFor();
  },

  async reload_midway(page) {
    await signedIn(page, `/chat/${SESSION}`);
    await page.getByLabel("Message", { exact: true }).fill("Go on");
    await page.keyboard.press("Enter");
    await page.getByText("word4").waitFor();
    await page.reload();
    await page.getByText(/word0 .*word4/).waitFor();
    await page.getByText(/word0 .*word39/).waitFor();
    const whole = Array.from({ length: 40 }, (_, number) => `word${number}`).join(" ");
    assert.equal((await page.locator(".prose").innerText()).trim(), whole);
  },

  async approve(page, context) {
    const other = await context.newPage();
    await signedIn(page, `/chat/${SESSION}`);
    await page.getByRole("button", { name: "Approve" }).waitFor();
    await other.setViewportSize(PHONE);
    await signedIn(other, "/approvals");
    await other.getByRole("button", { name: "Approve" }).click();
    await other.getByText("Nobody waits for you").waitFor();
    await page.locator(".prose").getByText("391").waitFor();
  },

  async upload_and_cite(page) {
    await signedIn(page, `/knowledge/${BASE}`);
    const file = {
      name: "rooms.md",
      mimeType: "text/markdown",
      buffer: Buffer.from("# Rooms\n\nThe red room holds twelve people.\n"),
    };
    await page.getByLabel("Documents to upload").setInputFiles(file);
    await page.getByText("ready", { exact: true }).waitFor();
    await page.getByLabel("Question").fill("How many people does the red room hold?");
    await page.keyboard.press("Enter");
    await page.getByText("lexical").first().waitFor();
    await page.goto(`${GLIA_URL}/agents/${AGENT}`);
    await page.getByLabel("Message", { exact: true }).fill("How many people does the red room hold?");
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Sources" }).getByText("rooms.md").waitFor();
  },

  async event_link(page) {
    await signedIn(page, `/runs/${RUN}?event=2`);
    await page.getByRole("heading", { name: "run.created" }).waitFor();
    await page.getByRole("listbox").focus();
    await page.keyboard.press("j");
    await page.getByRole("heading", { name: "run.started" }).waitFor();
    assert.match(page.url(), /event=3/);
    await page.reload();
    await page.getByRole("heading", { name: "run.started" }).waitFor();
  },

  async accessible(page) {
    await page.goto(GLIA_URL);
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    await checked(page, "sign-in");
    const paths = [
      "/",
      "/chat",
      `/chat/${SESSION}`,
      "/agents",
      "/agents/new",
      `/agents/${AGENT}`,
      "/knowledge",
      `/knowledge/${BASE}`,
      "/approvals",
      "/runs",
      `/runs/${RUN}?event=2`,
    ];
    await signedIn(page, "/");
    for (const [index, path] of paths.entries()) {
      const name = path.slice(1).replaceAll(/[^a-z]+/g, "-") || "home";
      await page.emulateMedia({ colorScheme: index % 2 ? "dark" : "light" });
      await page.setViewportSize(WIDE);
      await page.goto(GLIA_URL + path);
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      await page.waitForFunction(() => !document.querySelector(".animate-spin"));
      await checked(page, name);
      await page.setViewportSize(PHONE);
      await fits(page, `${name}-phone`);
    }
  },
};

async function signedIn(page, path) {
  await page.goto(GLIA_URL);
  await page.evaluate(
    (key) => sessionStorage.setItem("glia.credentials", JSON.stringify({ kind: "key", key })),
    GLIA_KEY,
  );
  await page.goto(GLIA_URL + path);
}

async function checked(page, name) {
  const { violations, passes } = await page.evaluate(
    `${axe}; axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] })`,
  );
  assert.ok(passes.length > 5, "the rules were applied");
  const told = violations.map(
    ({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].any[0]?.message ?? ""}`,
  );
  assert.deepEqual(told, [], `${name} is not accessible`);
  await fits(page, name);
}

async function fits(page, name) {
  const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(width <= 0, `${name} is ${width} px wider than the screen`);
  await page.screenshot({ path: `${SHOTS}/${name}.png` });
}

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const context = await browser.newContext({
  viewport: { width: 1280, height: 800 },
  bypassCSP: false,
  reducedMotion: "reduce",
});
context.setDefaultTimeout(20_000);
const page = await context.newPage();
const problems = [];
page.on("pageerror", (error) => problems.push(error.message));
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
try {
  await journeys[process.argv[2]](page, context);
  assert.deepEqual(problems, []);
} catch (error) {
  await page.screenshot({ path: `${SHOTS}/failed-${process.argv[2]}.png` });
  throw error;
} finally {
  await browser.close();
}
