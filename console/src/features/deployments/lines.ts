import type { Line, LineFilter } from "./api";

/** What a screen keeps of a log. More is at hand by filtering. */
export const MOST_LINES = 20_000;

/** The lines with new ones behind them, each once, the oldest given up beyond what is kept. */
export function grown(lines: readonly Line[], fresh: readonly Line[], most = MOST_LINES): Line[] {
  const last = lines.at(-1)?.id ?? 0;
  return [...lines, ...fresh.filter(({ id }) => id > last)].slice(-most);
}

/** The same rule as the server's, for lines that come while one looks. Levels are left to the server. */
export const passes = (line: Line, { text, replica }: Pick<LineFilter, "text" | "replica">) =>
  (!text || line.message.toLowerCase().includes(text.toLowerCase())) && (!replica || line.replica_id === replica);
