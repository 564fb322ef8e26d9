import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ApiError, api, data, errorOf, type Schema, serverUrl, signedFetch } from "@/lib/api";
import type { LogEvent } from "@/lib/log";
import { follow } from "@/lib/sse";

export type Run = Schema["RunOut"];
export type RunStatus = Run["status"];

const OPEN = ["queued", "running", "waiting"];
const KINDS: Record<string, string> = {
  agent: "Run",
  tool: "Tool call",
  task: "Task",
  workflow: "Workflow",
  "workflow.notify": "Notice of a workflow",
  "knowledge.ingest": "Reading a document",
  "knowledge.pack": "Packing documents",
  "knowledge.import": "Importing documents",
  "knowledge.fill": "Filling a knowledge base",
  "knowledge.reindex": "Reindexing documents",
  "knowledge.reembed": "Embedding documents anew",
  "evaluation.run": "Evaluation",
  "verification.check": "Verification",
};

/** What a run that no agent does is, in words. */
export const kindName = (kind: string) => KINDS[kind] ?? kind;

export const isOpen = (run: Pick<Run, "status">) => OPEN.includes(run.status);

/** Runs of these only. */
export interface RunFilter {
  status?: RunStatus;
  agent_id?: string;
  session_id?: string;
  root_run_id?: string;
  waiting_for?: "approval" | "run" | "budget" | "time";
  worker_id?: string;
  is_scheduled?: boolean;
}

export const runsQuery = (filter: RunFilter) =>
  infiniteQueryOptions({
    queryKey: ["runs", filter],
    queryFn: ({ pageParam }) =>
      data(api.GET("/v1/runs", { params: { query: { ...filter, limit: 50, cursor: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: 4000,
  });

export const runQuery = (run: string) =>
  queryOptions({
    queryKey: ["run", run],
    queryFn: () => data(api.GET("/v1/runs/{run}", { params: { path: { run } } })),
    refetchInterval: ({ state }) => (state.data && isOpen(state.data) ? 1500 : false),
  });

export const modelCallQuery = (run: string, step: number) =>
  queryOptions({
    queryKey: ["run", run, "model-call", step],
    queryFn: () =>
      data(api.GET("/v1/runs/{run}/model-calls/{step}", { params: { path: { run, step: String(step) as never } } })),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const cancelRun = (run: string) => data(api.POST("/v1/runs/{run}/cancel", { params: { path: { run } } }));

export const resumeRun = (run: string, max_cost_micros: number | null) =>
  data(api.POST("/v1/runs/{run}/resume", { params: { path: { run } }, body: { max_cost_micros } }));

export const forkAt = (session: string, at: number) =>
  data(api.POST("/v1/sessions/{session}/fork", { params: { path: { session } }, body: { at, newest_version: false } }));

/** The exported file goes through us, because a plain link would carry no credential. */
export async function downloadRun(run: string) {
  const response = await signedFetch(`${serverUrl()}/v1/runs/${run}/export`);
  if (!response.ok) throw await errorOf(response);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = `run-${run}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const AT_ONCE = 1000;

async function storedEvents(run: string, onPage: (events: LogEvent[]) => void, signal: AbortSignal) {
  let after = "";
  do {
    const query = { limit: String(AT_ONCE), ...(after && { after }) } as never;
    const page = await data(api.GET("/v1/runs/{run}/events", { params: { path: { run }, query }, signal }));
    onPage(page.data as LogEvent[]);
    after = page.next_cursor ?? "";
  } while (after && !signal.aborted);
}

/** All events of a run, and those that come while it is open. */
export function useEvents(run: Run | undefined) {
  const [state, setState] = useState<{ events: LogEvent[]; error: Error | null; isRead: boolean }>({
    events: [],
    error: null,
    isRead: false,
  });
  const { id, session_id } = run ?? {};
  const goesOn = run !== undefined && isOpen(run);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a run that ends does not have to be read again
  useEffect(() => {
    if (!id || !session_id) return;
    const stop = new AbortController();
    let unfollow = () => {};
    let last = 0;
    const add = (found: LogEvent[]) => {
      const fresh = found.filter((event) => event.seq > last);
      last = fresh.at(-1)?.seq ?? last;
      if (fresh.length) setState((before) => ({ ...before, events: [...before.events, ...fresh] }));
    };
    setState({ events: [], error: null, isRead: false });
    storedEvents(id, add, stop.signal)
      .then(() => {
        setState((before) => ({ ...before, isRead: true }));
        if (!goesOn || stop.signal.aborted) return;
        unfollow = follow(session_id, {
          after: last,
          onItems: (items) =>
            add(items.filter((item): item is LogEvent => item.seq !== undefined && item.run_id === id)),
          onConnection: () => {},
          onRefused: (error) => setState((before) => ({ ...before, error })),
        });
      })
      .catch((error: unknown) => {
        if (stop.signal.aborted) return;
        const known = error instanceof Error ? error : new ApiError("That did not work.", 0, "unknown");
        setState((before) => ({ ...before, error: known }));
      });
    return () => {
      stop.abort();
      unfollow();
    };
  }, [id, session_id]);
  return state;
}
