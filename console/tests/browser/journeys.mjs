// What a person does in the console, in a real browser against a real server: journeys.mjs THEME NAME
// Each theme has its file of journeys. URL, KEY, EMAIL, PASSWORD and the rest come by environment; pytest
// (tests/browser) sets the scene and runs this. A journey fails when the page logs an error, a refused script included.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [theme, name] = process.argv.slice(2);
const { CHROMIUM, SHOTS } = process.env;
const journeys = await import(`./${theme}.mjs`);

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
const context = await browser.newContext({
  viewport: { width: 1280, height: 800 },
  bypassCSP: false,
  reducedMotion: "reduce",
});
context.setDefaultTimeout(60_000);
const problems = [];
context.on("weberror", (found) => problems.push(found.error().message));
context.on(
  "console",
  (message) => message.type() === "error" && problems.push(`${message.text()} ${message.location().url}`),
);
const page = await context.newPage();
try {
  await journeys[name](page, context, problems);
  assert.deepEqual(problems, []);
} catch (error) {
  await page.screenshot({ path: `${SHOTS}/failed-${name}.png` });
  throw error;
} finally {
  await browser.close();
}
