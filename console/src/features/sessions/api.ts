import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type Answer, type ApiError, api, data } from "@/lib/api";
import { type Connection, follow } from "@/lib/sse";
import { EMPTY, read, type Transcript } from "./transcript";

export const sessionsQuery = infiniteQueryOptions({
  queryKey: ["sessions"],
  queryFn: ({ pageParam }) => data(api.GET("/v1/sessions", { params: { query: { limit: 50, cursor: pageParam } } })),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next_cursor ?? undefined,
});

export const sessionQuery = (session: string) =>
  queryOptions({
    queryKey: ["session", session],
    queryFn: () => data(api.GET("/v1/sessions/{session}", { params: { path: { session } } })),
  });

export const createSession = (agent_id: string, title = "") =>
  data(api.POST("/v1/sessions", { body: { agent_id, title } }));

export const nameSession = (session: string, title: string) =>
  data(api.PATCH("/v1/sessions/{session}", { params: { path: { session } }, body: { title } as never }));

const LONGEST_TITLE = 60;

/** What a conversation that begins with these words is called. */
export function titleOf(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, " ");
  return line.length > LONGEST_TITLE ? `${line.slice(0, LONGEST_TITLE).trimEnd()}…` : line;
}

export const deleteSession = (session: string) =>
  data(api.DELETE("/v1/sessions/{session}", { params: { path: { session } } }));

/** Says something; a run that is at work hears it at its next step. */
export const say = (session: string, content: string) =>
  data(
    api.POST("/v1/sessions/{session}/messages", {
      params: { path: { session } },
      body: { content, background: true, stream: false, previews: false, when_busy: "steer" } as never,
    }),
  );

export const stop = (run: string) => data(api.POST("/v1/runs/{run}/cancel", { params: { path: { run } } }));

/** A session that shares this one's history up to the event `at` and says something else from there on. */
export const branch = (session: string, at: number, content: string) =>
  data(
    api.POST("/v1/sessions/{session}/fork", {
      params: { path: { session } },
      body: { at, content, continue: false, newest_version: false },
    }),
  );

export interface Followed {
  transcript: Transcript;
  connection: Connection;
  refused: ApiError | null;
}

/** A session's transcript as it grows. */
export function useTranscript(session: string | null): Followed {
  const [state, setState] = useState<Followed>({ transcript: EMPTY, connection: "connecting", refused: null });
  useEffect(() => {
    setState({ transcript: EMPTY, connection: "connecting", refused: null });
    if (!session) return;
    return follow(session, {
      after: 0,
      onItems: (items) => setState((before) => ({ ...before, transcript: read(before.transcript, items) })),
      onConnection: (connection) => setState((before) => ({ ...before, connection })),
      onRefused: (refused) => setState((before) => ({ ...before, refused })),
    });
  }, [session]);
  return state;
}

/** messages: role and content of each. */
export type Side = Omit<Answer<"/v1/sessions/{session}/compare">["first"], "messages"> & { messages: string[][] };

/** What two sessions did after what they share. */
export const comparisonQuery = (session: string, other: string) =>
  queryOptions({
    queryKey: ["session", session, "comparison", other],
    queryFn: () =>
      data(api.GET("/v1/sessions/{session}/compare", { params: { path: { session }, query: { with: other } } })),
  });
