// From signing in to a first answer.
const { GLIA_URL, EMAIL, PASSWORD } = process.env;

export async function first_answer(page) {
  await page.goto(GLIA_URL);
  await page.getByLabel("Email").fill(EMAIL);
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Make it and ask" }).click();
  await page.getByRole("list", { name: "Sources" }).waitFor();
  await page.getByRole("button", { name: /^Source 1:/ }).click();
  await page.getByRole("dialog").getByText("Hotels cost at most 140 euros").first().waitFor();
}
