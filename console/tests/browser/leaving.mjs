// What is being written when one goes elsewhere, and who one is when a token has ended.
import assert from "node:assert/strict";
import { signedIn } from "./scene.mjs";

const { GLIA_URL, SESSION, AGENT, EMAIL, PASSWORD } = process.env;
const place = (page, name) => page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true });

/** Edits are not lost without a question, which the keyboard answers; what is as it was needs none. */
export async function unsaved(page) {
  await signedIn(page, `/agents/${AGENT}`);
  const instructions = page.getByRole("textbox", { name: "Instructions" });
  await instructions.fill("Be brief.");
  const question = page.getByRole("alertdialog", { name: "Leave without saving?" });

  await place(page, "Runs").click();
  await question.getByRole("button", { name: "Stay" }).and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Enter");
  await question.waitFor({ state: "detached" });
  assert.equal(await instructions.inputValue(), "Be brief.");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("alertdialog", { name: "Sign out without saving?" }).waitFor();
  await page.keyboard.press("Escape");
  const asked = page.waitForEvent("dialog");
  const closing = page.close({ runBeforeUnload: true });
  const dialog = await asked;
  assert.equal(dialog.type(), "beforeunload");
  await dialog.dismiss();
  await closing;
  assert.equal(await instructions.inputValue(), "Be brief.");

  await instructions.fill("");
  await place(page, "Runs").click();
  await page.getByRole("heading", { level: 1, name: "Runs" }).waitFor();
  await page.goBack();
  await instructions.fill("Be brief.");
  await page.getByRole("button", { name: "Save as a new version" }).click();
  await page.getByText("version 2").first().waitFor();
  await instructions.fill("Be long.");
  await page.evaluate(() => history.forward());
  await question.waitFor();
  await page.keyboard.press("Tab");
  await question.getByRole("button", { name: "Leave" }).and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Runs" }).waitFor();
}

/** A draft stays with its conversation until it is sent, and goes with whoever signs out. */
export async function draft(page) {
  await signedIn(page, `/chat/${SESSION}`);
  const field = page.getByLabel("Message", { exact: true });
  const kept = () => page.evaluate(() => Object.keys(sessionStorage).filter((name) => name.startsWith("glia.draft.")));
  await field.fill("What is 6 * 7?");
  await place(page, "Runs").click();
  await page.getByRole("heading", { level: 1, name: "Runs" }).waitFor();
  await page.goBack();
  await field.waitFor();
  assert.equal(await field.inputValue(), "What is 6 * 7?");
  await page.reload();
  await field.waitFor();
  assert.equal(await field.inputValue(), "What is 6 * 7?");

  await field.press("Enter");
  await page.locator(".prose").getByText("42").waitFor();
  assert.deepEqual(await kept(), []);
  await field.fill("And");
  assert.equal((await kept()).length, 1);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to Glia" }).waitFor();
  assert.deepEqual(await kept(), []);
}

async function enter(page, path) {
  await page.goto(GLIA_URL + path);
  await page.getByLabel("Email").fill(EMAIL);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Refusals that the page has logged, which are no problem here. */
const expected = (problems, status) =>
  problems.splice(0).forEach((problem) => {
    assert.match(problem, new RegExp(`status of ${status}`));
  });

/** An access token that is refused is renewed in silence, and what was asked for appears. */
export async function renewal(page, _, problems) {
  await enter(page, `/chat/${SESSION}`);
  const field = page.getByLabel("Message", { exact: true });
  await field.waitFor();
  await page.evaluate(() => {
    const found = JSON.parse(sessionStorage.getItem("glia.credentials"));
    sessionStorage.setItem("glia.credentials", JSON.stringify({ ...found, access: "of yesterday" }));
  });
  await page.reload();
  await field.fill("What is 6 * 7?");
  await field.press("Enter");
  await page.locator(".prose").getByText("42").waitFor();
  const now = await page.evaluate(() => JSON.parse(sessionStorage.getItem("glia.credentials")));
  assert.notEqual(now.access, "of yesterday");
  assert.ok(problems.length > 0);
  expected(problems, 401);
}

/** A person is told what their role may not do, and is not offered to try it again. */
export async function refusal(page, _, problems) {
  await enter(page, "/settings/people");
  await page.getByText("Your role (user) may not see people").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "Try again" }).count(), 0);
  expected(problems, 403);
}
