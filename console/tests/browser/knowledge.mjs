// Documents: uploaded, found, cited.
import { signedIn } from "./scene.mjs";

const { GLIA_URL, BASE, AGENT } = process.env;

export async function upload_and_cite(page) {
  await signedIn(page, `/knowledge/${BASE}`);
  const file = {
    name: "rooms.md",
    mimeType: "text/markdown",
    buffer: Buffer.from("# Rooms\n\nThe red room holds twelve people.\n"),
  };
  await page.getByLabel("Documents to upload").setInputFiles(file);
  await page.getByText("ready", { exact: true }).waitFor();
  await page.getByLabel("Question").fill("How many people does the red room hold?");
  await page.keyboard.press("Enter");
  await page.getByText("lexical").first().waitFor();
  await page.goto(`${GLIA_URL}/agents/${AGENT}`);
  await page.getByLabel("Message", { exact: true }).fill("How many people does the red room hold?");
  await page.keyboard.press("Enter");
  await page.getByRole("list", { name: "Sources" }).getByText("rooms.md").waitFor();
}
