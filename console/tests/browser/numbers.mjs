// Every figure opens what it counts, and the list adds up to it; what is deleted can be taken back.
import assert from "node:assert/strict";
import { looked, signedIn } from "./scene.mjs";

const { GLIA_URL, GLIA_KEY, RUN, MEMORY, BLOCK, BUDGET, PATHS, FEW } = process.env;

const ask = (method, path) => fetch(GLIA_URL + path, { method, headers: { Authorization: `Bearer ${GLIA_KEY}` } });

/** Drops the browser's own lines about answers that the journey is about. */
const expected = (problems, status) => {
  for (let at = problems.length - 1; at >= 0; at--)
    if (problems[at].includes(`status of ${status}`)) problems.splice(at, 1);
};

/** The time in which something can be taken back lasts, however slow the machine is. */
const unhurried = (page) =>
  page.addInitScript(() => {
    const real = window.setTimeout;
    window.setTimeout = (work, ms, ...rest) => real(work, ms === 6000 ? 600_000 : ms, ...rest);
  });

export async function run(page) {
  await signedIn(page, `/runs/${RUN}`);
  await page.getByRole("link", { name: "1 tool call" }).click();
  await page.getByRole("heading", { name: "Its tool calls (1)" }).waitFor();
  assert.equal(await page.getByRole("option").count(), 1);
  await page.reload();
  await page.getByRole("option", { name: /tool\.returned/ }).click();
  await page.getByRole("heading", { level: 3, name: "tool.returned" }).waitFor();
  const calls = page.getByRole("link", { name: /^\d+ model calls?$/ });
  const told = Number.parseInt(await calls.innerText(), 10);
  await calls.click();
  await page.waitForURL(`**/usage/calls?run_id=${RUN}`);
  const rows = page.getByRole("region", { name: "Single calls" }).getByRole("row");
  await rows.nth(told).waitFor();
  assert.equal(await rows.count(), told + 1); // and the head
  await page.getByText(`${told} calls`).first().waitFor();
  await rows.nth(told).getByRole("link").first().click();
  await page.waitForURL(`**/runs/${RUN}?step=1`);
  await page.getByRole("heading", { level: 3, name: "model.responded" }).waitFor();
  await page.getByText('"step": 1').first().waitFor();
}

export async function queue(page) {
  await signedIn(page, "/settings/health");
  await page.getByRole("link", { name: "1", exact: true }).last().waitFor();
  const waiting = page
    .locator("dt", { hasText: "For approval" })
    .locator("xpath=following-sibling::dd")
    .getByRole("link");
  assert.equal(await waiting.innerText(), "1");
  await waiting.click();
  await page.waitForURL("**/runs?waits=approval");
  await page.getByRole("link", { name: /Careful/ }).waitFor();
  assert.equal(await page.locator("main li", { has: page.getByText("waiting", { exact: true }) }).count(), 1);
  await page.getByRole("link", { name: "Without: waiting for approval" }).click();
  await page.waitForURL("**/runs");
}

export async function ledger(page) {
  await signedIn(page, "/usage/ledger");
  for (const [account, entries] of [
    ["granted", 1],
    ["balance", 2],
    ["adjusted", 1],
  ]) {
    await page.goto(`${GLIA_URL}/usage/ledger`);
    const figure = page.locator("dt", { hasText: new RegExp(account, "i") }).locator("xpath=following-sibling::dd");
    const told = await figure.innerText();
    await figure.getByRole("link").click();
    await page.waitForURL(new RegExp(`account=${account}`));
    await page
      .getByText(`${entries} ${entries > 1 ? "entries" : "entry"}, together ${told}`, { exact: false })
      .waitFor();
    assert.equal(await page.getByRole("region", { name: "Statement" }).getByRole("row").count(), entries + 1);
  }
}

export async function finds(page) {
  await signedIn(page, `/memory/facts/${MEMORY}`);
  await page.getByRole("link", { name: /^2 times/ }).click();
  await page.waitForURL("**#finds");
  const finds = page.locator("#finds").getByRole("listitem");
  await finds.nth(1).waitFor();
  assert.equal(await finds.count(), 2);
  await finds.first().getByRole("link").click();
  await page.waitForURL("**/runs/*?call=*");
  await page.getByRole("heading", { level: 3, name: "tool.called" }).waitFor();
  await page.getByRole("region", { name: "Data, as it is stored" }).getByText("memory_search").waitFor();
}

/** A fact's deletion waits to be taken back; a block's is done, and undone, also later and from elsewhere. */
export async function taken_back(page) {
  await unhurried(page);
  await signedIn(page, `/memory/facts/${MEMORY}`);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByText("Nothing is remembered here").waitFor();
  await page.getByRole("button", { name: "Undo", exact: true }).click();
  await page.getByRole("link", { name: "The key is under the mat." }).waitFor();
  assert.equal((await ask("GET", `/v1/memories/${MEMORY}`)).status, 200);

  await page.goto(`${GLIA_URL}/memory/blocks/${BLOCK}`);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  const undo = page.getByRole("button", { name: "Undo", exact: true });
  await undo.waitFor();
  assert.equal((await ask("GET", `/v1/memory-blocks/${BLOCK}`)).status, 404);
  await undo.click();
  await page.getByRole("link", { name: /persona/ }).waitFor();
  assert.equal((await ask("DELETE", `/v1/memory-blocks/${BLOCK}`)).status, 204);
  await page.reload();
  await page.getByText("1 deleted block").click();
  await page.getByRole("button", { name: "Restore persona" }).click();
  await page.getByRole("link", { name: /persona/ }).click();
  await page.getByRole("heading", { level: 1, name: "persona" }).waitFor();
}

/** What somebody else has deleted is not shown as if it were there. */
export async function gone(page, _, problems) {
  await signedIn(page, `/usage/budgets/${BUDGET}`);
  await page.getByRole("heading", { name: "Raise or lower" }).waitFor();
  assert.equal((await ask("DELETE", `/v1/budgets/${BUDGET}`)).status, 204);
  await page.getByText("It is gone", { exact: true }).waitFor();
  await page.getByRole("link", { name: "All budgets" }).click();
  await page.getByText("No budgets yet").waitFor();
  expected(problems, 404);
}

/** Who may little is told so on every screen, and what that key may see is shown. */
export async function forbidden(page, _, problems) {
  await signedIn(page, "/");
  await page.evaluate((key) => sessionStorage.setItem("glia.credentials", JSON.stringify({ kind: "key", key })), FEW);
  for (const path of ["/runs", "/usage/calls", "/usage/ledger", "/memory", "/knowledge", "/settings/keys", "/fleet"]) {
    await page.goto(GLIA_URL + path);
    await page.getByText("Not allowed", { exact: true }).first().waitFor();
    await page.getByRole("heading", { level: 1 }).first().waitFor();
  }
  await page.goto(`${GLIA_URL}/agents`);
  await page.getByRole("link", { name: /Careful/ }).waitFor();
  expected(problems, 403);
}

export async function looks(page, _, problems) {
  await looked(page, JSON.parse(PATHS));
  expected(problems, 404); // of the run that is not there
}
