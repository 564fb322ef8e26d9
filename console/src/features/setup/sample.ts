import { api, data, errorOf, serverUrl, signedFetch } from "@/lib/api";

// A document to begin with, so that the first answer has something to cite.
const HANDBOOK = `# Travel handbook

## Trains

Trains are paid for in second class. Journeys of more than four hours may be in first class.

## Hotels

Hotels cost at most 140 euros a night, breakfast included. In capitals it is 180 euros.

## Meals

Meals on the way are paid for up to 32 euros a day. Keep the receipts.
`;

export const FIRST_QUESTION = "What may a hotel cost?";
const POLL_MS = 300;
const LONGEST_MS = 60_000;

/** Makes a knowledge base with a sample document and an agent that answers from it. Returns the agent's id. */
export async function makeSample(onStep: (text: string) => void): Promise<string> {
  onStep("Making a knowledge base");
  const base = await data(api.POST("/v1/knowledge-bases", { body: { name: "Travel handbook" } }));
  onStep("Reading the sample document");
  const form = new FormData();
  form.append("file", new File([HANDBOOK], "travel-handbook.md", { type: "text/markdown" }));
  const sent = await signedFetch(`${serverUrl()}/v1/knowledge-bases/${base.id}/documents`, {
    method: "POST",
    body: form,
  });
  if (!sent.ok) throw await errorOf(sent);
  await untilReady(base.id, (await sent.json()).id);
  onStep("Making the agent");
  const agent = await data(
    api.POST("/v1/agents", {
      body: {
        name: "Travel desk",
        description: "Knows the travel rules.",
        instructions: "Answer from the handbook and cite it.",
        knowledge_base_ids: [base.id],
      },
    }),
  );
  return agent.id;
}

async function untilReady(knowledge_base: string, document: string) {
  const path = { knowledge_base, document };
  for (const began = Date.now(); Date.now() - began < LONGEST_MS; ) {
    const found = await data(
      api.GET("/v1/knowledge-bases/{knowledge_base}/documents/{document}", { params: { path } }),
    );
    if (found.status === "ready") return;
    if (found.status === "failed") throw new Error(found.error?.message ?? "The sample document could not be read.");
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  throw new Error("The sample document is still being read after a minute; see Knowledge.");
}
