// Conversations and what waits in them.
import assert from "node:assert/strict";
import { fits, looked, PHONE, signedIn } from "./scene.mjs";

const { SESSION } = process.env;

export async function reload_midway(page) {
  await signedIn(page, `/chat/${SESSION}`);
  await page.getByLabel("Message", { exact: true }).fill("Go on");
  await page.keyboard.press("Enter");
  await page.getByText("word4").waitFor();
  await page.reload();
  await page.getByText(/word0 .*word4/).waitFor();
  await page.getByText(/word0 .*word39/).waitFor();
  const whole = Array.from({ length: 40 }, (_, number) => `word${number}`).join(" ");
  assert.equal((await page.locator(".prose").innerText()).trim(), whole);
}

export async function approve(page, context) {
  const other = await context.newPage();
  await signedIn(page, `/chat/${SESSION}`);
  await page.getByRole("button", { name: "Approve" }).waitFor();
  await other.setViewportSize(PHONE);
  await signedIn(other, "/approvals");
  await other.getByRole("button", { name: "Approve" }).click();
  await other.getByText("Nobody waits for you").waitFor();
  await page.locator(".prose").getByText("391").waitFor();
}

/** Stopping keeps what was seen; the next message is answered. */
export async function stop(page) {
  await signedIn(page, `/chat/${SESSION}`);
  const field = page.getByLabel("Message", { exact: true });
  await field.fill("Go on");
  await page.keyboard.press("Enter");
  await page.getByText("word4").waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page
    .getByText(/cancelled|stopped/i)
    .first()
    .waitFor();
  const kept = await page.locator(".prose").first().innerText();
  await page.reload();
  await page.locator(".prose").first().waitFor();
  const again = await page.locator(".prose").first().innerText();
  assert.match(kept, /word0 .*word4/s);
  assert.ok(again.startsWith("word0") && again.length >= kept.length - 20, `“${kept}” became “${again}”`);
  assert.ok(!again.includes("word399"));
}

/** What is said while a run works is heard by it. */
export async function steer(page) {
  await signedIn(page, `/chat/${SESSION}`);
  const field = page.getByLabel("Message", { exact: true });
  await field.fill("Begin");
  await page.keyboard.press("Enter");
  await page.getByText("word2").waitFor();
  await field.fill("Rather in French");
  await page.keyboard.press("Enter");
  await page.getByText("Rather in French").waitFor();
  await page.getByText("word39").first().waitFor();
  await page.waitForFunction(() => document.body.innerText.split("word39").length > 2, null);
}

/** A message is asked again in other words, in a branch that stands beside the original. */
export async function branch_and_compare(page) {
  await signedIn(page, `/chat/${SESSION}`);
  await page.locator(".prose").nth(1).waitFor();
  await page.getByRole("button", { name: "Edit" }).nth(1).click();
  await page.getByLabel("Your message, changed").fill("What is 30 * 3?");
  await page.getByRole("button", { name: "Ask in a branch" }).click();
  await page.waitForURL((url) => url.pathname.startsWith("/chat/") && !url.pathname.endsWith(SESSION));
  await page.locator(".prose").getByText("90").first().waitFor();
  await page.getByRole("link", { name: "Compare" }).click();
  await page.getByRole("heading", { level: 1, name: "Compare" }).waitFor();
  await page.getByText("What is 5 * 5?").waitFor();
  await page.getByText("What is 30 * 3?").waitFor();
  await page.getByText("90").first().waitFor();
  assert.equal(await page.getByText("What is 2 + 2?").count(), 0, "what both share is not shown");
  await looked(page, [new URL(page.url()).pathname + new URL(page.url()).search]);
}

/** Two devices on one conversation show the same text, while it comes and when it is there. */
export async function second_device(page, context) {
  const phone = await context.newPage();
  await phone.setViewportSize(PHONE);
  await signedIn(page, `/chat/${SESSION}`);
  await signedIn(phone, `/chat/${SESSION}`);
  await page.getByLabel("Message", { exact: true }).fill("Go on");
  await page.keyboard.press("Enter");
  await phone.getByText("word4").waitFor();
  await phone.getByText("word39").waitFor();
  await page.getByText("word39").waitFor();
  const both = await Promise.all([page, phone].map((each) => each.locator(".prose").first().innerText()));
  assert.equal(both[0], both[1]);
}

/** Whatever a model or a tool writes, nothing of it runs, loads or leads where it should not. */
export async function hostile(page) {
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  let dialogs = 0;
  page.on("dialog", (dialog) => {
    dialogs += 1;
    void dialog.dismiss();
  });
  await page.addInitScript(() => {
    window.harm = 0;
    addEventListener("securitypolicyviolation", () => {
      window.violations = (window.violations ?? 0) + 1;
    });
  });
  await signedIn(page, `/chat/${SESSION}`);
  const text = [
    "<script>window.harm = 1; alert(1)</script>",
    '<img src=x onerror="window.harm = 1"> <svg onload="window.harm = 1"><script>window.harm = 1</script></svg>',
    '<iframe src="javascript:parent.harm = 1"></iframe> <a href="javascript:window.harm = 1">html link</a>',
    "[a javascript link](javascript:window.harm=1) [coded](&#106;avascript:window.harm=1) [tabbed](java\tscript:window.harm=1)",
    "[a data link](data:text/html,<script>opener.harm=1</script>) [a vb link](vbscript:x) [a file](file:///etc/passwd)",
    "![a picture](https://tracker.example/pixel.png) ![an svg](data:image/svg+xml;base64,PHN2Zy8+)",
    "<https://fine.example/autolinked> javascript:window.harm=1",
    "\u202Eright to left\u202C مرحبا بالعالم שלום",
    "```html\n<script>window.harm = 1</script>\n```",
    `| ${"wide ".repeat(40)} | b |\n|---|---|\n| ${"x".repeat(3000)} | 2 |`,
    "y".repeat(20_000),
    "The end.",
  ].join("\n\n");
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
  await page.locator(".prose").getByText("The end.").waitFor();
  await page.getByText(/Steps of this run/).waitFor();
  for (const name of ["a javascript link", "coded", "a data link", "a vb link", "a file"]) {
    const found = page.locator(".prose").getByText(name, { exact: true }).first();
    assert.equal(await found.evaluate((node) => node.closest("a")), null, `“${name}” is a link`);
    await found.click({ force: true });
  }
  const seen = await page.evaluate(() => ({
    harm: window.harm,
    violations: window.violations ?? 0,
    elements: document.querySelectorAll(".prose script, .prose img, .prose svg, .prose iframe").length,
    links: [...document.querySelectorAll(".prose a")].map((link) => link.href),
    width: document.documentElement.scrollWidth - innerWidth,
  }));
  assert.deepEqual({ ...seen, links: 0 }, { harm: 0, violations: 0, elements: 0, links: 0, width: 0 });
  assert.ok(seen.links.length > 0);
  for (const link of seen.links) assert.match(link, /^https:\/\/(tracker|fine)\.example\//);
  assert.equal(dialogs, 0);
  assert.deepEqual(
    asked.filter((url) => !url.startsWith(process.env.GLIA_URL)),
    [],
  );
  await page.setViewportSize(PHONE);
  await fits(page, "hostile-phone");
}
