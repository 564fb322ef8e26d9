// Every screen: accessible, and no wider than a phone.
import { checked, looked } from "./scene.mjs";

const { GLIA_URL, SESSION, RUN, BASE, AGENT } = process.env;

export async function accessible(page) {
  await page.goto(GLIA_URL);
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await checked(page, "sign-in");
  await looked(page, [
    "/",
    "/chat",
    `/chat/${SESSION}`,
    "/agents",
    "/agents/new",
    `/agents/${AGENT}`,
    "/knowledge",
    `/knowledge/${BASE}`,
    "/approvals",
    "/runs",
    `/runs/${RUN}?event=2`,
  ]);
}
