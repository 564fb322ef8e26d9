import { ApiError, errorOf, serverUrl, signedFetch } from "@/lib/api";

export const PARTS = {
  agents: "Agents",
  sessions: "Conversations with their events",
  memories: "Memories",
  knowledge_bases: "Knowledge bases and their documents' names",
  triggers: "Triggers",
  workflows: "Workflows",
  budgets: "Budgets",
  usage: "Usage, call by call",
  audit: "Audit log",
} as const;

export type Part = keyof typeof PARTS;

const LISTS: Record<Exclude<Part, "sessions">, string> = {
  agents: "/v1/agents",
  memories: "/v1/memories",
  knowledge_bases: "/v1/knowledge-bases",
  triggers: "/v1/triggers",
  workflows: "/v1/workflows",
  budgets: "/v1/budgets",
  usage: "/v1/usage/records",
  audit: "/v1/audit-log",
};

interface Listed {
  data: { id: string }[];
  next_cursor: string | null;
}

async function asked<T>(path: string, signal: AbortSignal): Promise<T> {
  const response = await signedFetch(`${serverUrl()}${path}`, { signal });
  if (!response.ok) throw await errorOf(response);
  return (await response.json()) as T;
}

/** Every page of a list. */
async function* all(path: string, signal: AbortSignal): AsyncGenerator<{ id: string }> {
  let cursor: string | null = "";
  while (cursor !== null) {
    const page: Listed = await asked(
      `${path}?limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
      signal,
    );
    yield* page.data;
    cursor = page.next_cursor;
  }
}

/** The chosen parts as lines of JSON, `{"part", "data"}` each, in pieces that a Blob keeps outside of memory. */
export async function exported(
  parts: readonly Part[],
  onProgress: (things: number) => void,
  signal: AbortSignal,
): Promise<Blob> {
  const pieces: Blob[] = [];
  let things = 0;
  const add = (part: Part, value: unknown) => {
    pieces.push(new Blob([`${JSON.stringify({ part, data: value })}\n`]));
    things += 1;
    onProgress(things);
  };
  for (const part of parts) {
    if (part !== "sessions") {
      for await (const thing of all(LISTS[part], signal)) {
        add(part, part === "knowledge_bases" ? { ...thing, documents: await documentsOf(thing.id, signal) } : thing);
      }
      continue;
    }
    for await (const { id } of all("/v1/sessions", signal)) {
      try {
        add(part, await asked(`/v1/sessions/${id}/export`, signal));
      } catch (error) {
        // One that was deleted meanwhile is none any more.
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      }
    }
  }
  return new Blob(pieces, { type: "application/x-ndjson" });
}

async function documentsOf(base: string, signal: AbortSignal) {
  const documents: unknown[] = [];
  for await (const document of all(`/v1/knowledge-bases/${base}/documents`, signal)) documents.push(document);
  return documents;
}

export function save(blob: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
