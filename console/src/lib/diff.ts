export interface Line {
  kind: "same" | "gone" | "new";
  text: string;
}

// The table of common lines grows with the product of both lengths; longer texts are shown as replaced.
const MOST_CELLS = 1_000_000;

/** What changed between two texts, line by line. */
export function lineDiff(before: string, after: string): Line[] {
  const old = before.split("\n");
  const now = after.split("\n");
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  const same = (lines: string[]): Line[] => lines.map((text) => ({ kind: "same", text }));
  return [
    ...same(old.slice(0, start)),
    ...middle(old.slice(start, old.length - end), now.slice(start, now.length - end)),
    ...same(end ? old.slice(-end) : []),
  ];
}

function middle(old: string[], now: string[]): Line[] {
  if (old.length * now.length > MOST_CELLS) {
    return [...old.map((text): Line => ({ kind: "gone", text })), ...now.map((text): Line => ({ kind: "new", text }))];
  }
  const width = now.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  const at = (row: number, column: number) => common[row * width + column] ?? 0;
  for (let row = old.length - 1; row >= 0; row--) {
    for (let column = now.length - 1; column >= 0; column--) {
      common[row * width + column] =
        old[row] === now[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const found: Line[] = [];
  let row = 0;
  let column = 0;
  while (row < old.length || column < now.length) {
    if (row < old.length && column < now.length && old[row] === now[column]) {
      found.push({ kind: "same", text: old[row++] ?? "" });
      column++;
    } else if (column >= now.length || (row < old.length && at(row + 1, column) >= at(row, column + 1))) {
      found.push({ kind: "gone", text: old[row++] ?? "" });
    } else found.push({ kind: "new", text: now[column++] ?? "" });
  }
  return found;
}
