// Scales of charts: round numbers that people can read off.

/** The smallest 1, 2 or 5 times a power of ten that is not below the value; 1 for nothing. */
export function niceTop(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const found = [1, 2, 5, 10].find((step) => step * power >= value * (1 - 1e-9)) ?? 10;
  return found * power;
}

/** Where lines are drawn: 0, the top, and what lies evenly between. */
export function ticks(top: number, parts = 4): number[] {
  return Array.from({ length: parts + 1 }, (_, index) => (top / parts) * index);
}

const DAY_MS = 86_400_000;

/** Every day of a span in UTC, so that days on which nothing happened have their place too. */
export function daysBetween(since: string, until: string): string[] {
  const first = Date.parse(`${since.slice(0, 10)}T00:00:00Z`);
  const last = Date.parse(until);
  const days: string[] = [];
  for (let at = first; at < last && days.length < 400; at += DAY_MS) days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}

/** Midnight in UTC, so many days before today, today included: `sinceDays(1)` is this morning. */
export function sinceDays(days: number, now = Date.now()): string {
  return `${new Date(now - (days - 1) * DAY_MS).toISOString().slice(0, 10)}T00:00:00Z`;
}

export const dayAfter = (day: string) => new Date(Date.parse(`${day}T00:00:00Z`) + DAY_MS).toISOString();
