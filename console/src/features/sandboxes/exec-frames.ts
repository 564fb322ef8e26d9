export interface Exit {
  code: number | null;
  signal: number | null;
  oom: boolean;
  timed_out: boolean;
  truncated: boolean;
  wall_seconds: number;
}

/** What a command says, in the order in which it does. */
export type ExecFrame =
  | { kind: "start"; pid: number }
  | { kind: "stdout" | "stderr"; text: string }
  | { kind: "exit"; exit: Exit }
  | { kind: "error"; message: string };

/** The frame of one event of the stream; null for kinds that are not known. */
export function frameOf(event: string, text: string): ExecFrame | null {
  const data = JSON.parse(text);
  if (event === "start") return { kind: "start", pid: data.pid };
  if (event === "stdout" || event === "stderr") return { kind: event, text: data.data };
  if (event === "exit") return { kind: "exit", exit: data };
  return event === "error" ? { kind: "error", message: data.message } : null;
}
