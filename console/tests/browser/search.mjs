// Finding: the palette, the page of results, and the keys.
import { checked, looked, signedIn } from "./scene.mjs";

const { SESSION } = process.env;

export async function palette(page) {
  await signedIn(page, "/");
  await page.getByRole("heading", { level: 1, name: "Home" }).waitFor();
  await page.keyboard.press("Control+k");
  const field = page.getByRole("combobox", { name: "Search or command" });
  await field.fill("knowl");
  await page.getByRole("option", { name: /^Knowledge/ }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Knowledge" }).waitFor();

  await page.keyboard.press("Control+k");
  await field.fill("zebra");
  const found = page.getByRole("option", { name: /About one zebra/ });
  await found.waitFor();
  await checked(page, "palette");
  await found.click();
  await page.waitForURL(`**/chat/${SESSION}`);
  await page.getByRole("heading", { level: 1, name: "About one zebra" }).waitFor();
  await page.waitForFunction(() => sessionStorage.getItem("glia.recent")?.includes("zebra"));

  await page.getByRole("log").focus();
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.getByRole("heading", { level: 1, name: "Runs" }).waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await checked(page, "keys");
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.getByRole("option", { name: /About one zebra/ }).waitFor(); // recent
  await field.fill("zebra");
  await page.getByRole("option", { name: /^All results/ }).click();
  await page.waitForURL("**/search?q=zebra");
  await page.getByRole("link", { name: /About one zebra/ }).waitFor();
  await page.getByRole("link", { name: "Agents", exact: true }).last().click();
  await page.getByRole("link", { name: /Zebra keeper/ }).click();
  await page.waitForURL(/\/agents\//);
}

export async function looks(page) {
  await looked(page, ["/search?q=zebra"]);
}
