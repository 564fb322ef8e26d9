const numbers = new Intl.NumberFormat("en-US");
const dates = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export const count = (value: number) => numbers.format(value);

/** A number of things: `counted(1, "document")` is "1 document". */
export const counted = (value: number, thing: string) => `${count(value)} ${thing}${value === 1 ? "" : "s"}`;

/** Micro-dollars as dollars; a price that nobody knows is said to be unknown, never 0. */
export function money(micros: number | null | undefined): string {
  if (micros == null) return "unknown";
  if (micros === 0) return "$0";
  if (micros < 0) return `-${money(-micros)}`;
  const dollars = micros / 1e6;
  if (dollars >= 1) return `$${dollars.toFixed(2)}`;
  // Below a dollar cents hide what was spent; two digits stay, and zeros after them say nothing.
  return `$${dollars.toFixed(dollars < 0.01 ? 6 : 4).replace(/(\.\d\d\d*?)0+$/, "$1")}`;
}

/** What something cost, where no other word says that it is a cost. */
export const cost = (micros: number | null | undefined) => (micros == null ? "cost unknown" : money(micros));

/** A share of one as people say it. */
export const percent = (share: number) => `${Math.round(share * 100)} %`;

export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  let left = size;
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${left < 10 && unit ? left.toFixed(1) : Math.round(left)} ${units[unit]}`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60 ? `${minutes} min ${Math.round((ms % 60_000) / 1000)} s` : `${(minutes / 60).toFixed(1)} h`;
}

export const moment = (at: string) => dates.format(new Date(at));

export function ago(at: string, now = Date.now()): string {
  const seconds = Math.max(0, (now - Date.parse(at)) / 1000);
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return moment(at);
}

/** JSON as people read it; text that is not JSON stays as it is. */
export function pretty(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value, null, 2) ?? "";
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
