import { ApiError, errorOf, serverUrl, signedFetch } from "./api";
import { FrameReader } from "./frames";
import type { LogItem } from "./log";

export type Connection = "connecting" | "open" | "reconnecting";

interface Following<T> {
  after: number;
  onItems: (items: T[]) => void;
  onConnection: (state: Connection) => void;
  onRefused: (error: ApiError) => void;
}

// The server sends a comment every 14 seconds; a stream that is silent for longer has died without saying so.
const SILENCE_MS = 40_000;
// From one drawing to the next: text that grows 30 times a second reads as a flow, and costs half of what 60 would.
const CALM_MS = 25;
const PAUSES_MS = [250, 500, 1000, 2000, 5000];

/** Follows a session's log, with what models are still writing. Returns what ends it. */
export const follow = (session: string, following: Following<LogItem>) =>
  followPath(`/v1/sessions/${session}/events/stream?previews=1`, following);

/** Follows a stream of numbered events from `after` on, and reconnects at the last one. Returns what ends it. */
export function followPath<T>(path: string, { after, onItems, onConnection, onRefused }: Following<T>): () => void {
  const stop = new AbortController();
  let last = after;
  let waiting: T[] = [];
  let frame = 0;

  // In every second animation frame at most, however fast tokens come; the first is shown at once. A hidden tab has no
  // frames, so a timer stands in.
  let delivered = 0;
  const deliver = () => {
    frame = 0;
    delivered = performance.now();
    const items = waiting;
    waiting = [];
    onItems(items);
  };
  const schedule = () => {
    if (frame) return;
    frame = 1;
    const early = delivered + CALM_MS - performance.now();
    if (document.hidden) setTimeout(deliver, 100);
    else if (early > 0) setTimeout(() => requestAnimationFrame(deliver), early);
    else requestAnimationFrame(deliver);
  };

  async function once(): Promise<void> {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), SILENCE_MS);
    const signal = AbortSignal.any([stop.signal, silent.signal]);
    try {
      const response = await signedFetch(`${serverUrl()}${path}`, {
        headers: { "Last-Event-ID": String(last), Accept: "text/event-stream" },
        signal,
      });
      if (!response.ok || !response.body) throw await errorOf(response);
      onConnection("open");
      const frames = new FrameReader();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE_MS);
        for (const found of frames.push(part.value)) {
          if (found.id) last = Number(found.id);
          waiting.push(JSON.parse(found.data));
          schedule();
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async function run() {
    let failures = 0;
    onConnection("connecting");
    while (!stop.signal.aborted) {
      const before = last;
      try {
        await once();
        failures = 0;
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) {
          onRefused(error);
          return;
        }
      }
      if (last > before) failures = 0;
      if (stop.signal.aborted) return;
      onConnection("reconnecting");
      await new Promise((done) => setTimeout(done, PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)]));
    }
  }

  void run();
  return () => stop.abort();
}
