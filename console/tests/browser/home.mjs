// Home: every number opens what it counts.
import { signedIn } from "./scene.mjs";

export async function numbers(page) {
  await signedIn(page, "/");
  await page.getByRole("link", { name: /^Waiting\s*1/ }).click();
  await page.waitForURL("**/runs?status=waiting");
  await page.getByRole("link", { name: /Careful/ }).waitFor();
  await page.goBack();
  await page.getByRole("link", { name: "1 waiting for a person" }).click();
  await page.getByRole("heading", { level: 1, name: "Approvals" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { level: 2, name: "Workers (1)" }).waitFor();
  await page.getByRole("link", { name: /of \$2\.00 this day/ }).click();
  await page.waitForURL("**/usage/budgets/*");
  await page.goBack();
  await page.getByRole("link", { name: /1 model call/ }).click();
  await page.waitForURL("**/usage/calls?since=*");
  await page.getByText("glia/embedded").first().waitFor();
}
