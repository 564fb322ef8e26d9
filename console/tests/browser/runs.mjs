// Runs and their events.
import { signedIn } from "./scene.mjs";

const { RUN } = process.env;

export async function event_link(page) {
  await signedIn(page, `/runs/${RUN}?event=2`);
  await page.getByRole("heading", { name: "run.created" }).waitFor();
  await page.getByRole("option").filter({ hasText: "run.started" }).waitFor();
  await page.keyboard.press("j");
  await page.getByRole("heading", { name: "run.started" }).waitFor();
  await page.waitForURL(/event=3/);
  await page.reload();
  await page.getByRole("heading", { name: "run.started" }).waitFor();
}
