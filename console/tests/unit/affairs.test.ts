import { describe, expect, test } from "vitest";
import { lines, outline } from "../../src/features/jobs/tree";
import { every, readWhen, toldWhen } from "../../src/features/triggers/when";
import type { Transaction } from "../../src/features/usage/api";
import { fold, microsOf, singly, sumOf } from "../../src/features/usage/ledger";
import { edgesOf, layersOf, layoutOf, NODE, type StepDefinition } from "../../src/features/workflows/layout";
import { dayAfter, daysBetween, niceTop, sinceDays, ticks } from "../../src/lib/scale";

const step = (id: string, fields: Partial<StepDefinition> = {}): StepDefinition => ({ id, kind: "tool", ...fields });

describe("the graph of a workflow", () => {
  test("has every line once, from either end, from branches and from references", () => {
    const steps = [
      step("fee"),
      // biome-ignore lint/suspicious/noThenProperty: a branch of a condition is called so
      step("is_large", { kind: "condition", depends_on: ["fee"], then: ["ask"], else: ["note"] }),
      step("ask", { message: "{{ steps.fee.output }}?" }),
      step("note", { depends_on: ["is_large"] }),
      step("done", { depends_on: ["ask", "note", "nowhere"] }),
    ];

    const edges = edgesOf(steps).map(({ from, to, label }) => `${from}>${to}${label && ` ${label}`}`);

    expect(edges.sort()).toEqual([
      "ask>done",
      "fee>ask",
      "fee>is_large",
      "is_large>ask then",
      "is_large>note else",
      "note>done",
    ]);
  });

  test("puts each step below all that come before it", () => {
    const steps = [step("c", { depends_on: ["a", "b"] }), step("a"), step("b", { depends_on: ["a"] }), step("d")];

    expect(Object.fromEntries(layersOf(steps, edgesOf(steps)))).toEqual({ a: 0, b: 1, c: 2, d: 0 });
  });

  test("never puts two steps in one place, and stays as narrow as its widest row", () => {
    const steps = [
      ...Array.from({ length: 12 }, (_, index) => step(`first${index}`)),
      ...Array.from({ length: 12 }, (_, index) => step(`second${index}`, { depends_on: [`first${11 - index}`] })),
      step("last", { depends_on: ["first0", ...Array.from({ length: 12 }, (_, index) => `second${index}`)] }),
    ];

    const { nodes, width, height } = layoutOf(steps);

    for (const one of nodes) {
      expect(one.x).toBeGreaterThanOrEqual(0);
      expect(one.x + NODE.width).toBeLessThanOrEqual(width);
      for (const other of nodes) {
        if (one === other || one.y !== other.y) continue;
        expect(Math.abs(one.x - other.x)).toBeGreaterThanOrEqual(NODE.width);
      }
    }
    expect(new Set(nodes.map(({ y }) => y)).size).toBe(3);
    expect(height).toBe(Math.max(...nodes.map(({ y }) => y)) + NODE.height);
  });

  test("uncrosses what can be uncrossed", () => {
    const steps = [step("a"), step("b"), step("c", { depends_on: ["b"] }), step("d", { depends_on: ["a"] })];

    const place = new Map(layoutOf(steps).nodes.map(({ id, x }) => [id, x]));
    const isLeft = (one: string, other: string) => (place.get(one) ?? 0) < (place.get(other) ?? 0);

    expect(isLeft("a", "b")).toBe(isLeft("d", "c"));
  });

  test("survives a circle, of which the server says that it is one", () => {
    const steps = [step("a", { depends_on: ["b"] }), step("b", { depends_on: ["a"] }), step("a_alone")];

    expect(layoutOf(steps).nodes).toHaveLength(3);
    expect(layoutOf([])).toMatchObject({ nodes: [], edges: [], height: 0 });
  });

  test("a line over several rows keeps clear of the steps between", () => {
    const steps = [step("a"), step("b", { depends_on: ["a"] }), step("c", { depends_on: ["b", "a"] })];

    const { edges, nodes } = layoutOf(steps);
    const [middle] = nodes.filter(({ id }) => id === "b");
    const through = edges.find(({ from, to }) => from === "a" && to === "c")?.path.match(/L([\d.]+),/)?.[1];

    const x = Number(through);
    expect(x < (middle?.x ?? 0) || x > (middle?.x ?? 0) + NODE.width).toBe(true);
  });
});

describe("scales", () => {
  test.each([
    [0, 1],
    [1, 1],
    [3, 5],
    [5, 5],
    [51, 100],
    [0.0031, 0.005],
    [7_000_000, 10_000_000],
  ])("above %d comes %d", (value, top) => {
    expect(niceTop(value)).toBeCloseTo(top, 10);
  });

  test("lines go from nothing to the top", () => {
    expect(ticks(100)).toEqual([0, 25, 50, 75, 100]);
  });

  test("days without anything have their place", () => {
    expect(daysBetween("2030-02-27T00:00:00Z", "2030-03-02T09:30:00Z")).toEqual([
      "2030-02-27",
      "2030-02-28",
      "2030-03-01",
      "2030-03-02",
    ]);
    expect(sinceDays(7, Date.parse("2030-03-08T23:59:59Z"))).toBe("2030-03-02T00:00:00Z");
    expect(dayAfter("2030-12-31")).toBe("2031-01-01T00:00:00.000Z");
  });
});

describe("the ledger", () => {
  const posted = (
    id: string,
    kind: Transaction["kind"],
    entries: Record<string, number>,
    more: Partial<Transaction> = {},
  ) =>
    ({
      id,
      at: `2030-01-01T00:00:0${id}Z`,
      kind,
      note: "",
      hold_id: null,
      usage_id: null,
      run_id: null,
      key_id: null,
      created_by: "system",
      entries: Object.entries(entries).map(([account, amount_micros]) => ({ account, amount_micros })),
      ...more,
    }) as Transaction;

  test("a hold and its settlement are one line", () => {
    const held = posted("1", "hold", { balance: -100, held: 100 }, { hold_id: "h", run_id: "r" });
    const settled = posted("2", "settlement", { held: -100, balance: 60, spent: 40 }, { hold_id: "h", run_id: "r" });

    const [line, ...rest] = fold([settled, held]);

    expect(rest).toEqual([]);
    expect(line).toMatchObject({ state: "settled", held: 100, spent: 40, balance: -40, run: "r", kind: "call" });
  });

  test("the changes of one account add up to it, in the sign that it is shown with", () => {
    const held = posted("2", "hold", { balance: -100, held: 100 }, { hold_id: "h", run_id: "r", step: 3 });
    const granted = posted("1", "grant", { balance: 500, granted: -500 });

    expect(sumOf([held, granted], "balance")).toBe(400);
    expect(sumOf([granted], "granted")).toBe(500);
    expect(singly([held, granted], "balance").map(({ balance, state, step }) => [balance, state, step])).toEqual([
      [-100, "held", 3],
      [500, "booked", undefined],
    ]);
  });

  test("what is under way stays held, what was given back costs nothing, and grants stand alone, newest first", () => {
    const entries = [
      posted("4", "hold", { balance: -10, held: 10 }, { hold_id: "b" }),
      posted("3", "release", { balance: 20, held: -20 }, { hold_id: "a" }),
      posted("2", "hold", { balance: -20, held: 20 }, { hold_id: "a" }),
      posted("1", "grant", { balance: 500, granted: -500 }, { note: "first" }),
    ];

    expect(fold(entries).map(({ kind, state, balance, note }) => [kind, state, balance, note])).toEqual([
      ["call", "held", -10, ""],
      ["call", "released", 0, ""],
      ["grant", "booked", 500, "first"],
    ]);
  });

  test.each([
    ["12.50", 12_500_000],
    ["$3", 3_000_000],
    ["0,000001", 1],
    ["-2", -2_000_000],
    ["", null],
    ["1e3", null],
    ["ten", null],
  ])("%s dollars are %s", (text, micros) => {
    expect(microsOf(text)).toBe(micros);
  });
});

describe("trees", () => {
  test("stand below their parents, in order, and orphans at the top", () => {
    const runs = [
      { id: "a", parent: null },
      { id: "a1", parent: "a" },
      { id: "b", parent: "gone" },
      { id: "a11", parent: "a1" },
      { id: "a2", parent: "a" },
    ];

    const found = outline(
      runs,
      ({ id }) => id,
      ({ parent }) => parent,
    );

    expect(found.map(({ item, depth }) => `${depth} ${item.id}`)).toEqual(["0 a", "1 a1", "2 a11", "1 a2", "0 b"]);
    expect(lines({ children: [{ children: [{}] }, {}] }).map(({ depth }) => depth)).toEqual([0, 1, 2, 1]);
  });
});

describe("when a trigger fires", () => {
  const form = (fields: Record<string, string>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    return data;
  };

  test("is read from the fields of its kind and no others", () => {
    expect(readWhen("cron", form({ cron: "0 8 * * *", timezone: "Europe/Berlin", at: "2030-01-01" }))).toEqual({
      kind: "cron",
      cron: "0 8 * * *",
      timezone: "Europe/Berlin",
    });
    expect(readWhen("interval", form({ every: "2", unit: "3600" }))).toEqual({ kind: "interval", every_seconds: 7200 });
    expect(readWhen("event", form({ event_type: "run.failed", watched: "", filter: "[]" }))).toEqual({
      kind: "event",
      event_type: "run.failed",
      filter: [],
    });
    expect(() => readWhen("webhook", form({ filter: "{}" }))).toThrow("list");
    expect(() => readWhen("webhook", form({ filter: "[" }))).toThrow("JSON");
  });

  test("is told in a line", () => {
    expect([every(60), every(7200), every(86_400), every(90)]).toEqual(["minute", "2 hours", "day", "90 seconds"]);
    expect(toldWhen({ kind: "interval", every_seconds: 300 })).toBe("every 5 minutes");
    expect(toldWhen({ kind: "webhook", verification: "url_token" })).toBe("on a request to its secret address");
  });
});
