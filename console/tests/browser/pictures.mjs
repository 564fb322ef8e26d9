// Pictures that a text names.
import assert from "node:assert/strict";
import { checked, logged, PHONE, signedIn, WIDE } from "./scene.mjs";

const { SESSION, ELSEWHERE, GLIA_URL } = process.env;
const HELD = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

/** Nothing leaves the browser for the picture's host, before somebody asks to see it and after. */
export async function shown_on_request(page, _context, problems) {
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.addInitScript(() => {
    window.revoked = [];
    const revoke = URL.revokeObjectURL;
    URL.revokeObjectURL = (url) => {
      window.revoked.push(url);
      revoke(url);
    };
  });
  await signedIn(page, `/chat/${SESSION}`);
  const text = `Look: ![A dot](${ELSEWHERE}/dot.gif?said=secret)\n\n![A drawing](${ELSEWHERE}/svg)\n\n![Held](${HELD})\n\nThe end.`;
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
  await page.locator(".prose").getByText("The end.").waitFor();
  await page.getByText(/Steps of this run/).waitFor();
  assert.deepEqual(
    asked.filter((url) => url.includes("/v1/pictures")),
    [],
    "nothing is fetched unasked",
  );
  await page.getByRole("img", { name: "Held" }).waitFor();

  const button = page.getByRole("button", { name: "Show picture: A dot" });
  await button.focus();
  await page.keyboard.press("Enter");
  const box = page.getByRole("button", { name: "Hide picture: A dot" }).locator("xpath=../following-sibling::span");
  await box.waitFor();
  const height = (await box.boundingBox()).height;
  const picture = page.getByRole("img", { name: "A dot" });
  await picture.waitFor();
  await page.waitForFunction(() => document.querySelector('img[alt="A dot"]').naturalWidth === 1);
  assert.equal((await box.boundingBox()).height, height, "nothing moves when it comes");
  assert.match(await picture.getAttribute("src"), /^blob:/);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Hide picture");

  await page.getByRole("button", { name: "Show picture: A drawing" }).click();
  await page.getByRole("alert").getByText("is not a picture that can be shown safely").waitFor();
  await logged(problems);
  await page.getByRole("button", { name: "Try again" }).waitFor();
  for (const size of [WIDE, PHONE]) {
    await page.setViewportSize(size);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await checked(page, `pictures-${size.width}-${colorScheme}`);
    }
  }

  const address = await picture.getAttribute("src");
  assert.ok(!(await page.evaluate((url) => window.revoked.includes(url), address)));
  await page.getByRole("button", { name: "Hide picture: A dot" }).click();
  await picture.waitFor({ state: "detached" });
  await page.waitForFunction((url) => window.revoked.includes(url), address);

  const away = asked.filter((url) => !/^(blob|data):/.test(url) && !url.startsWith(`${GLIA_URL}/`));
  assert.deepEqual(away, [], "only our own server was asked");
  assert.equal(asked.filter((url) => url.includes("/v1/pictures?")).length, 2);
}

export async function under_a_tool(page) {
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await signedIn(page, `/chat/${SESSION}`);
  const card = page.locator("details").filter({ hasText: "The plan]" });
  await card.locator("summary").first().click();
  await card.getByRole("button", { name: "Show picture: The plan" }).click();
  await card.getByRole("img", { name: "The plan" }).waitFor();
  await page.waitForFunction(() => document.querySelector('img[alt="The plan"]').naturalWidth === 1);
  assert.ok(!asked.some((url) => url.startsWith(ELSEWHERE)));
}
