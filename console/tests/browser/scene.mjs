// What journeys share: signing in, and looking at a page as a whole.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { GLIA_URL, GLIA_KEY, SHOTS } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const WIDE = { width: 1440, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** Opens a path with the scene's key. */
export async function signedIn(page, path) {
  await page.goto(GLIA_URL);
  await page.evaluate(
    (key) => sessionStorage.setItem("glia.credentials", JSON.stringify({ kind: "key", key })),
    GLIA_KEY,
  );
  await page.goto(GLIA_URL + path);
}

/** The last error that the page has logged, once there is one; it is no problem any more. */
export async function logged(problems) {
  for (const until = Date.now() + 60_000; !problems.length && Date.now() < until; )
    await new Promise((done) => setTimeout(done, 20));
  return problems.pop();
}

/** Looks at every path: axe and the width, wide and on a phone, light and dark; keeps pictures of them. */
export async function looked(page, paths) {
  await signedIn(page, "/");
  for (const path of paths) {
    const plain = path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, "one").replaceAll(/[^a-z]+/g, "-");
    const name = plain.replaceAll(/^-|-$/g, "") || "home";
    await page.setViewportSize(WIDE);
    await page.goto(GLIA_URL + path);
    await settled(page);
    for (const [size, width] of [
      ["wide", WIDE],
      ["phone", PHONE],
    ]) {
      await page.setViewportSize(width);
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await checked(page, `${name}-${size}-${colorScheme}`);
      }
    }
  }
}

/** Waits until a heading stands and nothing loads any more. */
export async function settled(page) {
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  await page.waitForFunction(() => !document.querySelector(".animate-spin"));
}

export async function checked(page, name) {
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

export async function fits(page, name) {
  const width = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(width <= 0, `${name} is ${width} px wider than the screen`);
  await page.screenshot({ path: `${SHOTS}/${name}.png` });
}
