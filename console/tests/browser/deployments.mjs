// Programs: deployed from a file, rolled, read, scaled, stopped, deleted and brought back.
import assert from "node:assert/strict";
import { checked, logged, looked, signedIn } from "./scene.mjs";

const { PROGRAM } = process.env;

export async function roll(page, _context, problems) {
  await signedIn(page, "/fleet/new");
  await page.getByLabel("Name").fill("Bad Name");
  const file = { name: "web.py", mimeType: "text/x-python", buffer: Buffer.from(PROGRAM) };
  await page.getByLabel("Program to upload").setInputFiles(file);
  await page.getByText("web.py is uploaded.").waitFor();
  await page.getByLabel("Memory").fill("64Mi");
  await page.getByLabel("Environment").fill("SAYS=one");
  await page.getByRole("button", { name: "Deploy" }).click();
  await page.getByText("`name` must be 1 to 63 of a-z").waitFor();
  assert.equal(await page.getByLabel("Name").getAttribute("aria-invalid"), "true");
  assert.match(await logged(problems), /400 .*\/v1\/deployments$/);
  await page.getByLabel("Name").fill("rolled");
  await page.getByRole("button", { name: "Deploy" }).click();
  await page.getByText("gets requests").waitFor();

  await page.getByRole("button", { name: "New version" }).click();
  await page.getByLabel("Environment").fill("SAYS=two");
  await page.getByRole("button", { name: "Roll it out" }).click();
  await page.getByText("1 of 1 replica ready · any region · version 2").waitFor();
  await page.getByText("version 1, leaving").waitFor({ state: "detached" });

  const log = page.getByRole("log", { name: "Lines" });
  await log.getByText("started").first().waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused").waitFor();
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByLabel("Text in the line").fill("nobody says this");
  await page.keyboard.press("Enter");
  await page.getByText("No line is like that").waitFor();
  await page.getByLabel("Text in the line").fill("STARTED");
  await page.keyboard.press("Enter");
  await log.getByText("started").first().waitFor();
  await page.waitForURL(/text=STARTED/);

  await page.getByLabel("Replicas wanted").fill("2");
  await page.getByRole("button", { name: "Scale" }).click();
  await page.getByText("2 of 2 replicas ready").waitFor();
  await page.getByRole("button", { name: "Go back to version 1" }).click();
  await page.getByText("2 of 2 replicas ready · any region · version 1").waitFor();
  await checked(page, "deployment-running");

  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByText("rolled is deleted").waitFor();
  await page.getByText("No deployments yet").waitFor();
  await page.getByRole("button", { name: "Undo" }).last().click();
  await page.getByRole("link", { name: /^rolled/ }).waitFor();
}

export async function looks(page) {
  await looked(page, ["/fleet", "/fleet/new", "/fleet/tick"]);
  await page.setViewportSize({ width: 1440, height: 1700 });
  await page.emulateMedia({ colorScheme: "light" });
  await page.getByRole("img", { name: /^Processor, of a core: now/ }).waitFor();
  await page.getByRole("log", { name: "Lines" }).getByText("A line that says something").nth(3).waitFor();
  await checked(page, "deployment-whole");
}
