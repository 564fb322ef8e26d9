// Where the steps of a workflow stand and how the lines between them run: layers from top to bottom, each step below
// all that come before it; lines over several layers get a place of their own in each.

export interface StepDefinition {
  id: string;
  kind: string;
  name?: string;
  depends_on?: string[];
  next?: string[];
  then?: string[];
  else?: string[];
  [field: string]: unknown;
}

export interface Edge {
  from: string;
  to: string;
  /** Of a condition: which branch this is. */
  label: "" | "then" | "else";
}

export interface Placed {
  id: string;
  x: number;
  y: number;
}

export interface Layout {
  nodes: Placed[];
  edges: (Edge & { path: string })[];
  width: number;
  height: number;
}

export const NODE = { width: 176, height: 60 };
const GAP = { x: 28, y: 56 };
const LANE = 24;
const SWEEPS = 6;

const words = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];

/** Every line between steps, once: written at either end, a condition's branches, and references to outputs. */
export function edgesOf(steps: readonly StepDefinition[]): Edge[] {
  const ids = new Set(steps.map((step) => step.id));
  const edges = new Map<string, Edge>();
  const add = (from: string, to: string, label: Edge["label"] = "") => {
    if (from === to || !ids.has(from) || !ids.has(to)) return;
    const key = JSON.stringify([from, to]);
    if (!edges.has(key) || label) edges.set(key, { from, to, label });
  };
  for (const step of steps) {
    for (const before of words(step.depends_on)) add(before, step.id);
    for (const after of words(step.next)) add(step.id, after);
    for (const found of JSON.stringify(step).matchAll(/\{\{\s*steps\.([\w-]+)/g)) add(found[1] ?? "", step.id);
  }
  for (const step of steps) {
    for (const branch of ["then", "else"] as const) for (const to of words(step[branch])) add(step.id, to, branch);
  }
  return [...edges.values()];
}

/** The layer of each step: 0 for what begins, else one more than the deepest before it. Lines of a circle, which the
 *  server refuses, are followed once. */
export function layersOf(steps: readonly StepDefinition[], edges: readonly Edge[]): Map<string, number> {
  const before = new Map<string, string[]>();
  for (const { from, to } of edges) before.set(to, [...(before.get(to) ?? []), from]);
  const layers = new Map<string, number>();
  const depth = (id: string, path: ReadonlySet<string>): number => {
    const known = layers.get(id);
    if (known !== undefined) return known;
    const found = (before.get(id) ?? []).filter((each) => !path.has(each));
    const layer = found.length ? Math.max(...found.map((each) => depth(each, new Set([...path, id])))) + 1 : 0;
    if (path.size === 0 || found.length === (before.get(id) ?? []).length) layers.set(id, layer);
    return layer;
  };
  for (const { id } of steps) depth(id, new Set());
  return layers;
}

interface Cell {
  key: string;
  step: string | null;
  above: string[];
  below: string[];
}

/** Puts steps and passing lines into rows, and orders each row so that few lines cross. */
function rowsOf(steps: readonly StepDefinition[], edges: readonly Edge[], layers: Map<string, number>) {
  const rows: Cell[][] = [];
  const cells = new Map<string, Cell>();
  const put = (key: string, step: string | null, layer: number) => {
    const cell: Cell = { key, step, above: [], below: [] };
    while (rows.length <= layer) rows.push([]);
    rows[layer]?.push(cell);
    cells.set(key, cell);
    return cell;
  };
  for (const { id } of steps) put(id, id, layers.get(id) ?? 0);
  const routes = new Map<Edge, string[]>();
  for (const edge of edges) {
    const [first, last] = [layers.get(edge.from) ?? 0, layers.get(edge.to) ?? 0];
    const route = [edge.from];
    for (let layer = first + 1; layer < last; layer++)
      route.push(put(`${edge.from}>${edge.to}@${layer}`, null, layer).key);
    route.push(edge.to);
    routes.set(edge, route);
    for (let at = 1; at < route.length; at++) {
      const [above, below] = [route[at - 1] as string, route[at] as string];
      cells.get(above)?.below.push(below);
      cells.get(below)?.above.push(above);
    }
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const isDown = sweep % 2 === 0;
    for (const row of isDown ? rows : [...rows].reverse()) {
      const places = new Map(
        rows.flatMap((each) => each.map((cell, place) => [cell.key, place / each.length] as const)),
      );
      const middle = (cell: Cell, place: number) => {
        const near = isDown ? cell.above : cell.below;
        if (!near.length) return place / row.length;
        return near.reduce((sum, key) => sum + (places.get(key) ?? 0), 0) / near.length;
      };
      const weights = new Map(row.map((cell, place) => [cell.key, middle(cell, place)]));
      row.sort((one, other) => (weights.get(one.key) ?? 0) - (weights.get(other.key) ?? 0));
    }
  }
  return { rows, routes };
}

export function layoutOf(steps: readonly StepDefinition[]): Layout {
  const edges = edgesOf(steps);
  const { rows, routes } = rowsOf(steps, edges, layersOf(steps, edges));
  const sizeOf = (cell: Cell) => (cell.step === null ? LANE : NODE.width);
  const widthOf = (row: Cell[]) =>
    row.reduce((sum, cell) => sum + sizeOf(cell), 0) + GAP.x * Math.max(0, row.length - 1);
  const width = Math.max(NODE.width, ...rows.map(widthOf));
  const places = new Map<string, { x: number; top: number; bottom: number }>();
  const nodes: Placed[] = [];
  rows.forEach((row, layer) => {
    let x = (width - widthOf(row)) / 2;
    const y = layer * (NODE.height + GAP.y);
    for (const cell of row) {
      const size = sizeOf(cell);
      places.set(cell.key, { x: x + size / 2, top: y, bottom: y + NODE.height });
      if (cell.step !== null) nodes.push({ id: cell.step, x, y });
      x += size + GAP.x;
    }
  });
  return {
    nodes,
    edges: [...routes].map(([edge, route]) => ({ ...edge, path: pathOf(route, places) })),
    width,
    height: rows.length * (NODE.height + GAP.y) - (rows.length ? GAP.y : 0),
  };
}

/** A smooth line through the gaps, and straight through the rows that it passes. */
function pathOf(route: string[], places: Map<string, { x: number; top: number; bottom: number }>): string {
  const parts: string[] = [];
  for (let at = 1; at < route.length; at++) {
    const [from, to] = [places.get(route[at - 1] as string), places.get(route[at] as string)];
    if (!from || !to) continue;
    const middle = (from.bottom + to.top) / 2;
    if (at === 1) parts.push(`M${from.x},${from.bottom}`);
    parts.push(`C${from.x},${middle} ${to.x},${middle} ${to.x},${to.top}`);
    if (at < route.length - 1) parts.push(`L${to.x},${to.bottom}`);
  }
  return parts.join(" ");
}
