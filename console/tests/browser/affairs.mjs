// Money, what starts by itself, and who may do what.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { looked, signedIn } from "./scene.mjs";

const { GLIA_URL, GLIA_KEY, RUN, AGENT, RECEIVER, PATHS, EMAIL, PASSWORD } = process.env;

/** A budget has stopped a run; it is raised here, and the run goes on. */
export async function budget(page) {
  await signedIn(page, "/usage/budgets");
  const waiting = page.getByRole("link", { name: "Raise its budget" });
  await waiting.waitFor();
  await page.getByText("Needs 1 call; 1 call of 1 call spent").waitFor();
  await waiting.click();
  await page.getByRole("heading", { name: "Runs that wait for it" }).waitFor();
  await page.getByLabel("Calls", { exact: true }).fill("5");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("No run waits for it.").waitFor();
  await page.goto(`${GLIA_URL}/runs/${RUN}`);
  await page.getByText("completed", { exact: true }).first().waitFor();
  await page.goto(`${GLIA_URL}/usage?by=calls`);
  await page.getByRole("link", { name: /^Clerk/ }).click();
  await page.getByRole("link", { name: `…${RUN.slice(-12)}` }).click();
  await page.waitForURL(new RegExp(RUN));
}

export async function schedule(page) {
  await signedIn(page, "/automation/triggers");
  await page.getByRole("link", { name: "New trigger" }).first().click();
  await page.getByLabel("Name").fill("Morning report");
  await page.getByLabel("Agent", { exact: true }).selectOption({ label: "Clerk" });
  await page.getByLabel("Message").fill("What is 6 * 7?");
  await page.getByLabel("Cron").fill("30 7 * * MON-FRI");
  await page.getByLabel("Time zone").fill("Europe/Berlin");
  await page.getByLabel("Name").focus();
  await page.getByText(/Next: .* 07:30 · /).waitFor();
  await page.getByRole("button", { name: "Make trigger" }).click();
  await page.getByText("30 7 * * MON-FRI (Europe/Berlin)").waitFor();
  await page
    .getByText(/07:30:00 on its clock/)
    .first()
    .waitFor();
  await page.getByRole("button", { name: "Fire now" }).click();
  const firings = page.getByRole("region", { name: "Firings" });
  await firings.getByText("completed").waitFor();
  await firings.getByRole("link").first().click();
  await page.getByRole("heading", { name: /^Run/ }).waitFor();
  await page.goBack();
  await page.getByRole("button", { name: "Change", exact: true }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Evening report");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: /Evening report/ }).waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("It is paused; these times pass without it.").waitFor();
}

export async function key(page) {
  await signedIn(page, "/settings/keys");
  await page.getByRole("link", { name: "New key" }).click();
  await page.getByLabel("Name").fill("Nightly job");
  await page.getByLabel("Rights by").selectOption("scopes");
  await page.getByLabel("Scopes").fill("agents:read runs:read");
  await page.getByLabel("Requests a minute").fill("600");
  await page.getByRole("button", { name: "Make key" }).click();
  const made = await page.getByRole("dialog").locator("code").innerText();
  const ask = (path) => fetch(`${GLIA_URL}${path}`, { headers: { Authorization: `Bearer ${made}` } });
  assert.equal((await ask("/v1/agents")).status, 200);
  assert.equal((await ask("/v1/keys")).status, 403);
  await page.getByRole("button", { name: "I have kept it" }).click();
  await page.getByText(made).first().waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Revoke Nightly job" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("Nightly job opens nothing any more.").waitFor();
  assert.equal((await ask("/v1/agents")).status, 401);
  await page.goto(`${GLIA_URL}/settings/audit?action=key.*`);
  await page.getByText("key.revoked").first().click();
  await page.getByRole("region", { name: "Entry" }).getByText("Nightly job").waitFor();
}

/** The receiver fails, is mended, and gets the delivery again. */
export async function webhook(page) {
  const heard = [];
  let status = 500;
  const receiver = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => {
      body += part;
    });
    request.on("end", () => {
      heard.push({ id: request.headers["webhook-id"], body });
      response.writeHead(status).end(status === 500 ? "not today" : "thanks");
    });
  });
  await new Promise((ready) => receiver.listen(Number(RECEIVER), "127.0.0.1", ready));
  try {
    await signedIn(page, "/settings/webhooks");
    await page.getByRole("link", { name: "New webhook" }).first().click();
    await page.getByLabel("Address").fill(`http://127.0.0.1:${RECEIVER}/hook`);
    await page.getByLabel("everything that happens in runs").uncheck();
    await page.getByLabel("run.completed").check();
    await page.getByRole("button", { name: "Register" }).click();
    assert.match(await page.getByRole("dialog").locator("code").innerText(), /^whsec_/);
    await page.getByRole("button", { name: "I have kept it" }).click();
    await page.getByText("Nothing was sent yet").waitFor();
    await say("What is 2 + 2?");
    await page.getByRole("link", { name: /run\.completed/ }).click();
    await page.getByText("not today").first().waitFor();
    await page
      .getByRole("region", { name: "Body that is sent" })
      .getByText('"type": "run.completed"')
      .first()
      .waitFor();
    status = 200;
    const before = heard.length;
    await page.getByRole("button", { name: "Send again" }).or(page.getByText("thanks")).first().waitFor();
    const again = page.getByRole("button", { name: "Send again" });
    await again.click({ timeout: 5_000 }).catch(() => {}); // it may be delivered by itself meanwhile
    await page.getByText("thanks").waitFor();
    assert.ok(heard.length > before);
    assert.equal(new Set(heard.map(({ id }) => id)).size, 1);
    await page.getByRole("button", { name: "Test" }).click();
    await page.getByText("The ping arrived.").waitFor();
  } finally {
    receiver.closeAllConnections();
    await new Promise((closed) => receiver.close(closed));
  }
}

async function say(content) {
  const headers = { Authorization: `Bearer ${GLIA_KEY}`, "Content-Type": "application/json" };
  const post = async (path, body) =>
    (await fetch(`${GLIA_URL}${path}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
  const session = await post("/v1/sessions", { agent_id: AGENT });
  await post(`/v1/sessions/${session.id}/messages`, { content });
}

/** A graph is drawn, executed, waits for a person, and shows each step's state. */
export async function workflow(page, context) {
  await signedIn(page, "/automation/workflows/new");
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.getByText("Nothing is wrong with it.").waitFor();
  await page.getByRole("button", { name: "Make workflow" }).click();
  await page.getByRole("button", { name: "Execute" }).click();
  await page.getByLabel("Input").fill('{"question": "6 * 7"}');
  await page.getByRole("button", { name: "Begin" }).click();
  await page.getByRole("button", { name: /check wait_approval · waiting/ }).click();
  await page.waitForURL(/step=check/);
  const other = await context.newPage();
  await signedIn(other, "/approvals");
  await other.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("button", { name: /check wait_approval · completed/ }).waitFor();
  await page.getByRole("region", { name: "Output" }).last().getByText("42").waitFor();
  await page.getByRole("button", { name: "Execute again" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("cancelled", { exact: true }).first().waitFor();
}

/** Two tabs from one sign-in renew their tokens, one after the other, and both stay signed in. */
export async function two_tabs(page, context) {
  await page.goto(GLIA_URL);
  await page.getByLabel("Email").fill(EMAIL);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Home" }).waitFor();
  const kept = await page.evaluate(() => sessionStorage.getItem("glia.credentials"));
  const aged = JSON.stringify({ ...JSON.parse(kept), expiresAt: Date.now() });
  const other = await context.newPage();
  await other.goto(GLIA_URL);
  for (const tab of [page, other]) await tab.evaluate((text) => sessionStorage.setItem("glia.credentials", text), aged);
  await page.goto(`${GLIA_URL}/agents`);
  await page.getByRole("heading", { name: "Agents", level: 1 }).waitFor();
  await page.getByText("Clerk").waitFor();
  await other.goto(`${GLIA_URL}/agents`);
  await other.getByText("Clerk").waitFor();
  // At the same time, too.
  for (const tab of [page, other]) {
    await tab.evaluate(() => {
      const now = JSON.parse(sessionStorage.getItem("glia.credentials"));
      sessionStorage.setItem("glia.credentials", JSON.stringify({ ...now, expiresAt: Date.now() }));
    });
  }
  await Promise.all([page.reload(), other.reload()]);
  for (const tab of [page, other]) await tab.getByText("Clerk").waitFor();
}

export async function looks(page) {
  await looked(page, JSON.parse(PATHS));
}
