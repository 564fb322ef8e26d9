import { expect, test } from "vitest";
import { barsOf, spansOf } from "../../src/features/runs/timeline";
import { FrameReader } from "../../src/lib/frames";
import type { Citation, LogEvent } from "../../src/lib/log";
import { placeOf } from "../../src/lib/log";
import { blocksOf, safeUrl, withMarkers } from "../../src/lib/prose";

test("frames come whole, however the bytes were cut", () => {
  const stream = 'retry: 1000\n\n: comment\n\nid: 7\nevent: a\ndata: {"x":1}\n\ndata: 1\ndata: 2\r\n\r\nid: 9\n';
  const reader = new FrameReader();

  const found = [...stream].flatMap((piece) => reader.push(piece));

  expect(found.map(({ id, data }) => [id, data])).toEqual([
    ["7", '{"x":1}'],
    ["", "1\n2"],
  ]);
});

test.each([
  "javascript:alert(1)",
  "JAVASCRIPT:alert(1)",
  " javascript:x",
  "data:text/html,x",
  "vbscript:x",
  "file:///etc",
  "/v1/keys",
  "//evil",
])("a model's text leads nowhere by %s", (url) => {
  expect(safeUrl(url)).toBe("");
});

test.each(["https://example.org/a", "http://example.org", "mailto:ann@example.org", "#cite-1"])(
  "%s may be followed",
  (url) => {
    expect(safeUrl(url)).toBe(url);
  },
);

test("markers of sources become their numbers, and half of one is not shown", () => {
  const citation = { uri: "kb://b/d#1" } as Citation;

  expect(withMarkers("Yes. [kb://b/d#1]", [citation])).toBe("Yes. [1](#cite-1)");
  expect(withMarkers("Yes. [kb://b/d#2]", [citation])).toBe("Yes. ");
  expect(withMarkers("Yes. [kb://b/", [])).toBe("Yes. ");
});

test("blocks are cut between paragraphs and never inside code", () => {
  expect(blocksOf("one\n\ntwo")).toHaveLength(2);
  expect(blocksOf("```\na\n\nb\n```")).toHaveLength(1);
  expect(blocksOf("- a\n\n- b")).toHaveLength(1);
});

test("an address of a passage names base, document and chunk", () => {
  expect(placeOf("kb://b/d#12")).toEqual({ base: "b", document: "d", chunk: 12 });
  expect(placeOf("https://example.org")).toBeNull();
});

test("the timeline knows calls that go on and calls that failed", () => {
  const at = (seq: number, type: string, data: object): LogEvent => ({
    seq,
    type,
    data,
    run_id: "r",
    at: new Date(seq * 1000).toISOString(),
  });

  const { spans, total } = spansOf([
    at(1, "model.requested", { step: 1 }),
    at(3, "model.responded", { step: 1, latency_ms: 2000 }),
    at(3, "tool.called", { tool_call_id: "c", tool: "t" }),
    at(4, "tool.returned", { tool_call_id: "c", tool: "t", status: "error", duration_ms: 900 }),
    at(5, "model.requested", { step: 2 }),
  ]);

  expect(total).toBe(4000);
  expect(spans.map(({ lane, to, failed }) => [lane, to, failed])).toEqual([
    ["model", 2000, false],
    ["tool", 3000, true],
    ["model", 4000, false],
  ]);
});

test("bars of a lane that would cover each other are one, but for those that failed or are shown", () => {
  const spans = Array.from({ length: 5000 }, (_, seq) => ({
    seq,
    lane: "tool" as const,
    name: "calculator",
    from: seq,
    to: seq + 0.5,
    failed: seq === 4321,
  }));

  const bars = barsOf(spans, 5000, 1234);

  expect(bars.length).toBeLessThan(260);
  expect(bars.reduce((sum, { more }) => sum + 1 + more, 0)).toBe(5000);
  expect(bars.map(({ span }) => span.seq)).toEqual(expect.arrayContaining([0, 1234, 4321]));
  expect(bars.at(-1)?.span.seq).toBeGreaterThan(4950);
  expect(barsOf(spans.slice(0, 3), 3, undefined)).toHaveLength(3);
});
