// Conversations and what waits in them.
import assert from "node:assert/strict";
import { PHONE, signedIn } from "./scene.mjs";

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
