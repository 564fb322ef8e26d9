import type { ExecFrame, Exit } from "./exec-frames";

export type LineKind = "in" | "stdout" | "stderr" | "note";

export interface Line {
  kind: LineKind;
  text: string;
}

/** What a terminal shows. The last line is open while a command writes into it, at `column`. */
export interface Screen {
  lines: Line[];
  isOpen: boolean;
  column: number;
  /** Half of a control sequence, until the rest comes. */
  rest: string;
  /** How many lines were dropped at the top. */
  dropped: number;
}

export const BLANK: Screen = { lines: [], isOpen: false, column: 0, rest: "", dropped: 0 };

export const MOST_LINES = 5000;
const LONGEST_LINE = 20_000;

// Sequences of a terminal: ESC [ … letter, ESC ] … BEL, ESC with one letter; then what ends or moves in a line; then text.
const ESC = "\u001b";
const TOKENS = new RegExp(
  [
    `${ESC}\\[[0-9;?]*[ -/]*[@-~]`,
    `${ESC}\\][^\u0007${ESC}]*(?:\u0007|${ESC}\\\\)`,
    `${ESC}[()][A-Za-z0-9]`,
    `${ESC}[@-Z\\\\^_a-z=>]`,
    "[\r\n\b]",
    `[^${ESC}\r\n\b]+`,
  ].join("|"),
  "g",
);
const HALF = new RegExp(`${ESC}(?:\\[[0-9;?]*[ -/]*|\\][^\u0007${ESC}]*|[()])?$`);

/** The screen after one more frame. Colours are left out; what overwrites a line does so here as well. */
export function shown(screen: Screen, frame: ExecFrame): Screen {
  switch (frame.kind) {
    case "start":
      return screen;
    case "stdout":
    case "stderr":
      return written(screen, frame.kind, frame.text);
    case "error":
      return line(screen, "note", frame.message);
    case "exit": {
      const told = ending(frame.exit);
      const closed = { ...screen, isOpen: false, column: 0, rest: "" };
      return told ? line(closed, "note", told) : closed;
    }
  }
}

/** A line of its own, such as the command that a person has typed. */
export function line(screen: Screen, kind: LineKind, text: string): Screen {
  return bounded({ ...screen, lines: [...screen.lines, { kind, text }], isOpen: false, column: 0, rest: "" });
}

/** How a command ended, where that is worth saying. */
export function ending(exit: Exit): string {
  const parts = [
    exit.timed_out ? "it took too long and was ended" : "",
    exit.oom ? "it needed more memory than the sandbox has" : "",
    exit.truncated ? "some of its output was dropped" : "",
    exit.signal !== null && !exit.timed_out ? `ended by signal ${exit.signal}` : "",
    exit.code ? `ended with ${exit.code}` : "",
  ];
  return parts.filter(Boolean).join("; ");
}

function written(screen: Screen, kind: "stdout" | "stderr", given: string): Screen {
  const lines = [...screen.lines];
  let { isOpen, column } = screen;
  let text = screen.rest + given;
  const rest = HALF.exec(text)?.[0] ?? "";
  if (rest) text = text.slice(0, -rest.length);
  // The two streams take turns by lines: half a line of one is not gone on with by the other.
  if (isOpen && lines.at(-1)?.kind !== kind) isOpen = false;
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === "\n") {
      if (!isOpen) lines.push({ kind, text: "" });
      isOpen = false;
      column = 0;
    } else if (token === "\r") column = 0;
    else if (token === "\b") column = Math.max(0, column - 1);
    else {
      if (!isOpen) {
        lines.push({ kind, text: "" });
        isOpen = true;
        column = 0;
      }
      const last = lines.length - 1;
      const before = lines[last]?.text ?? "";
      const after = token.startsWith("\x1b") ? controlled(before, column, token) : overwritten(before, column, token);
      lines[last] = { kind, text: after.slice(0, LONGEST_LINE) };
      if (!token.startsWith("\x1b")) column = Math.min(column + token.length, LONGEST_LINE);
    }
  }
  return bounded({ ...screen, lines, isOpen, column, rest });
}

const overwritten = (text: string, column: number, token: string) =>
  text.slice(0, column).padEnd(column) + token + text.slice(column + token.length);

function controlled(text: string, column: number, token: string): string {
  if (token === "\x1b[K" || token === "\x1b[0K") return text.slice(0, column);
  return token === "\x1b[2K" ? "" : text;
}

function bounded(screen: Screen): Screen {
  const over = screen.lines.length - MOST_LINES;
  return over > 0 ? { ...screen, lines: screen.lines.slice(over), dropped: screen.dropped + over } : screen;
}
