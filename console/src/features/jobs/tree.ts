export interface Branch<T> {
  item: T;
  depth: number;
}

/** Things with parents as the lines of an outline: each below its parent, siblings in the order they came. What names a
 *  parent that is not here stands at the top; a circle, which cannot be, is not followed. */
export function outline<T>(
  items: readonly T[],
  idOf: (item: T) => string,
  parentOf: (item: T) => string | null,
): Branch<T>[] {
  const here = new Set(items.map(idOf));
  const below = new Map<string, T[]>();
  for (const item of items) {
    const parent = parentOf(item);
    const place = parent !== null && here.has(parent) && parent !== idOf(item) ? parent : "";
    below.set(place, [...(below.get(place) ?? []), item]);
  }
  const lines: Branch<T>[] = [];
  const seen = new Set<string>();
  const walk = (parent: string, depth: number) => {
    for (const item of below.get(parent) ?? []) {
      if (seen.has(idOf(item))) continue;
      seen.add(idOf(item));
      lines.push({ item, depth });
      walk(idOf(item), depth + 1);
    }
  };
  walk("", 0);
  return lines;
}

interface Node {
  children?: Node[];
}

/** A tree that comes nested, as the lines of an outline. */
export function lines<T extends Node>(root: T, depth = 0): Branch<T>[] {
  return [{ item: root, depth }, ...((root.children ?? []) as T[]).flatMap((child) => lines(child, depth + 1))];
}
