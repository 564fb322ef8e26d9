// What agents know, what they may call, and where their code runs.
import assert from "node:assert/strict";
import { logged, looked, PHONE, signedIn } from "./scene.mjs";

const { GLIA_URL, GLIA_KEY, AGENT, BLOCK, MEMORY, SERVER, MCP_URL, SANDBOX, RUN, EVENT } = process.env;

const ask = (method, path, body) =>
  fetch(GLIA_URL + path, {
    method,
    headers: { Authorization: `Bearer ${GLIA_KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).then((answer) => answer.json());

export async function block(page, _, problems) {
  await signedIn(page, `/memory/blocks/${BLOCK}`);
  const text = page.getByLabel("Text", { exact: true });
  await text.fill("You are brief.\nYou are kind.");
  await page.getByRole("button", { name: "Save as a new version" }).click();
  await page.getByRole("button", { name: "Undo", exact: true }).last().click();
  await page.waitForFunction((label) => document.querySelector(label)?.value === "You are brief.", "textarea");
  await page.getByText("Version 3", { exact: true }).waitFor();

  await text.fill("You are brief.\nMine.");
  await ask("PATCH", `/v1/memory-blocks/${BLOCK}`, { content: "You are brief.\nTheirs.", version: 3 });
  await page.getByRole("button", { name: "Save as a new version" }).click();
  const clash = page.getByRole("alert");
  await clash.getByText("It was changed meanwhile").waitFor();
  assert.match(await clash.innerText(), /Theirs\.[\s\S]*Mine\./);
  // The refusal of the first try is what the journey is about; browsers log every refusal.
  assert.match(await logged(problems), /409/);
  await page.getByRole("button", { name: "Save mine over it" }).click();
  await page.getByText("Version 5", { exact: true }).waitFor();
  assert.equal((await ask("GET", `/v1/memory-blocks/${BLOCK}`)).content, "You are brief.\nMine.");
  await page.getByRole("listitem").filter({ hasText: "Version 4" }).getByRole("button", { name: "Restore" }).click();
  await page.getByText("Version 6", { exact: true }).waitFor();
  await page.waitForFunction(() => document.querySelector("textarea")?.value.endsWith("Theirs."));
}

export async function facts(page) {
  await signedIn(page, `/memory?agent=${AGENT}`);
  await page.getByRole("button", { name: /^Forget: Ada lives in Kyiv/ }).click();
  await page.getByText("Nothing is remembered here").waitFor();
  await page.getByRole("button", { name: "Undo", exact: true }).click();
  await page.getByRole("link", { name: "Ada lives in Kyiv." }).waitFor();
  await page.getByRole("button", { name: "Add a fact" }).click();
  await page.getByLabel("The fact").fill("Ada flies on Mondays.");
  await page.getByRole("button", { name: "Remember it" }).click();
  await page.getByRole("link", { name: "Ada flies on Mondays." }).waitFor();
  await page.getByLabel("What would an agent find?").fill("On which days does she fly?");
  await page.keyboard.press("Enter");
  await page.getByText("together").first().waitFor();
  await page.waitForURL(/query=/);
  await page.goto(`${GLIA_URL}/memory`);
  await page.getByRole("link", { name: "saved by the agent" }).first().click();
  await page.getByRole("heading", { name: "tool.called" }).waitFor();
}

export async function connect(page) {
  await signedIn(page, "/tools/new?kind=mcp");
  await page.getByLabel("Name", { exact: true }).fill("kit");
  await page.getByLabel("Address").fill(MCP_URL);
  await page.getByLabel("Value of header 1").fill("Bearer s3cret");
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByText("ready", { exact: true }).waitFor();
  await page.getByText("Secret headers: Authorization").waitFor();
  assert.ok(!(await page.content()).includes("s3cret"));
  await page.getByLabel("May agents call put?").selectOption("never");
  await page.getByRole("link", { name: "Try echo" }).click();
  await page.getByLabel("text", { exact: true }).fill("hello");
  await page.getByRole("button", { name: "Call it" }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.getByRole("region", { name: "Result" }).last().getByText("echo: hello").waitFor();
  await page.getByRole("link", { name: "In the run" }).click();
  await page.getByRole("heading", { name: "tool.returned" }).waitFor();
  await page.goto(`${GLIA_URL}/tools?find=kit__put`);
  await page.getByText("never call").waitFor();
}

export async function sandbox(page) {
  await signedIn(page, "/sandboxes/new");
  await page.getByLabel("Name", { exact: true }).fill("scratch");
  await page.getByRole("button", { name: "Start it" }).click();
  const shows = (text) =>
    page.waitForFunction(
      (wanted) => document.querySelector(".xterm-rows")?.innerText.replaceAll("\u00a0", " ").includes(wanted),
      text,
    );
  await page.getByText("connected", { exact: true }).waitFor();
  await page.locator(".xterm-screen").click();
  await page.keyboard.type("mkdir -p inner; echo made > inner/made.txt; echo 1 + 1 is $((1 + 1))\n");
  await shows("1 + 1 is 2");
  await page.keyboard.type("echo be''gun; sleep 600\n");
  await shows("begun");
  await page.keyboard.press("Control+c");
  await page.keyboard.insertText("echo pas''ted $(stty size)");
  await page.keyboard.press("Enter");
  await shows("pasted ");
  await page.reload();
  await page.getByText("connected", { exact: true }).waitFor();
  await shows("pasted ");
  await page.locator(".xterm-screen").click();
  await page.keyboard.type("echo ag''ain\n");
  await shows("again");
  await page.setViewportSize(PHONE);
  await page.keyboard.type("stty size; sleep 600\n");
  await page.getByRole("button", { name: "Ctrl+C" }).click();
  await page.keyboard.type("echo $(($(stty size | cut -d' ' -f2) < 60)) nar''row\n");
  await shows("1 narrow");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.keyboard.press("Shift+Escape");
  await page.waitForFunction(() => document.activeElement?.id === "new-terminal");
  await page.getByRole("link", { name: "files" }).click();
  await page.getByRole("button", { name: "inner" }).first().click();
  await page.getByRole("button", { name: /^made\.txt/ }).click();
  await page.getByRole("region", { name: "made.txt" }).getByText("made", { exact: true }).waitFor();
  await page.waitForURL(/file=.*made\.txt/);
  const file = { name: "table.csv", mimeType: "text/csv", buffer: Buffer.from("name,age\nAda,36\n") };
  await page.getByLabel("Files to upload").setInputFiles(file);
  await page.getByRole("button", { name: /^table\.csv/ }).click();
  await page.getByRole("cell", { name: "Ada" }).waitFor();
  await page.getByRole("link", { name: "terminal" }).click();
  await shows("1 narrow");
  await page.getByRole("button", { name: "Close terminal 1" }).click();
  await page.getByText("No terminal is open.").waitFor();
}

export async function artifact(page) {
  await signedIn(page, `/runs/${RUN}?event=${EVENT}`);
  await page.getByRole("button", { name: "Show out.csv" }).click();
  await page.getByRole("cell", { name: "Ada" }).waitFor();
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download out.csv" }).click();
  assert.equal((await saved).suggestedFilename(), "out.csv");
}

export async function looks(page) {
  await looked(page, [
    "/memory?query=Ada",
    `/memory/blocks/${BLOCK}`,
    `/memory/facts/${MEMORY}`,
    "/tools",
    "/tools/new",
    `/tools/servers/${SERVER}`,
    `/sandboxes/${SANDBOX}`,
    `/sandboxes/${SANDBOX}?show=files`,
  ]);
}

export async function agent_memory(page) {
  await page.setViewportSize(PHONE);
  await signedIn(page, `/agents/${AGENT}`);
  await page.getByLabel("Recall by itself").check();
  await page.getByRole("button", { name: "Save the memory settings" }).click();
  await page.getByText("Its memory behaves like that").waitFor();
  await page.getByRole("button", { name: "Python" }).click();
  await page.getByRole("dialog").getByText("import urllib.request").waitFor();
}
