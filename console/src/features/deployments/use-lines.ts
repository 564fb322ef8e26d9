import { useEffect, useRef, useState } from "react";
import { ApiError, api, data } from "@/lib/api";
import { type Connection, followPath } from "@/lib/sse";
import { type Line, type LineFilter, linesOf } from "./api";
import { grown, passes } from "./lines";

interface Followed {
  lines: Line[];
  connection: Connection;
  error: Error | null;
  isRead: boolean;
}

const BEGIN: Followed = { lines: [], connection: "connecting", error: null, isRead: false };

/** The last lines and those that come. While it is paused, new ones wait; `waiting` says how many. */
export function useLines(deployment: string, filter: LineFilter, isPaused: boolean) {
  const [state, setState] = useState<Followed>(BEGIN);
  const [waiting, setWaiting] = useState<Line[]>([]);
  const paused = useRef(isPaused);
  useEffect(() => {
    paused.current = isPaused;
    if (isPaused) return;
    setWaiting((held) => {
      if (held.length) setState((before) => ({ ...before, lines: grown(before.lines, held) }));
      return [];
    });
  }, [isPaused]);
  const { level, text, replica } = filter;
  useEffect(() => {
    const stop = new AbortController();
    let unfollow = () => {};
    setState(BEGIN);
    setWaiting([]);
    const begin = async () => {
      // First where the log ends, so that nothing is missed between reading and following.
      const end = await data(
        api.GET("/v1/deployments/{deployment}/logs", {
          params: { path: { deployment }, query: { tail: 1 } },
          signal: stop.signal,
        }),
      );
      const read = await linesOf(deployment, { level, text, replica }, stop.signal);
      setState((before) => ({ ...before, lines: read.data, isRead: true }));
      unfollow = followPath<Line>(`/v1/deployments/${deployment}/logs/stream?level=${level}`, {
        after: end.data[0]?.id ?? 0,
        onItems: (items) => {
          const fresh = items.filter((line) => passes(line, { text, replica }));
          if (!fresh.length) return;
          if (paused.current) setWaiting((held) => grown(held, fresh));
          else setState((before) => ({ ...before, lines: grown(before.lines, fresh) }));
        },
        onConnection: (connection) => setState((before) => ({ ...before, connection })),
        onRefused: (error) => setState((before) => ({ ...before, error })),
      });
      if (stop.signal.aborted) unfollow();
    };
    begin().catch((error: unknown) => {
      if (stop.signal.aborted) return;
      const known = error instanceof Error ? error : new ApiError("That did not work.", 0, "unknown");
      setState((before) => ({ ...before, error: known, isRead: true }));
    });
    return () => {
      stop.abort();
      unfollow();
    };
  }, [deployment, level, text, replica]);
  return { ...state, waiting: waiting.length };
}
