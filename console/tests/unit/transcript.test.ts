import { expect, test } from "vitest";
import { EMPTY, read, type TurnItem } from "../../src/features/sessions/transcript";
import type { Data, LogEvent, LogItem } from "../../src/lib/log";

const RUN = "run-1";
const event = (seq: number, type: string, data: Data = {}, run_id: string | null = RUN): LogEvent => ({
  seq,
  type,
  at: new Date(seq * 1000).toISOString(),
  run_id,
  data,
});
const preview = (offset: number, text: string, attempt = 1): LogItem => ({
  type: "text.preview",
  run_id: RUN,
  data: { step: 1, attempt, offset, text },
});
const delta = (seq: number, offset: number, text: string, attempt = 1) =>
  event(seq, "text.delta", { step: 1, attempt, offset, text });
const usage = { input_tokens: 1, output_tokens: 1 };
const responded = (seq: number, text: string, thinking = "") =>
  event(seq, "model.responded", { step: 1, model: "m", text, thinking, tool_calls: [], usage });
const begun = [
  event(1, "message.received", { role: "user", content: "Hello" }),
  event(2, "run.created", { kind: "agent" }),
  event(3, "run.started", { attempt: 1 }),
];
const shown = (items: LogItem[]) => read(EMPTY, items);
const turn = (items: LogItem[]) => shown(items).items.find((item): item is TurnItem => item.kind === "turn");
const text = (items: LogItem[]) =>
  turn(items)
    ?.blocks.map((block) => ("text" in block ? block.text : ""))
    .join("|");

test("previews show at once, and stored pieces over them change nothing", () => {
  const items = [...begun, preview(0, "Hel"), preview(3, "lo"), delta(4, 0, "Hello"), preview(5, "!")];

  expect(text(items)).toBe("Hello!");
});

test("a preview that was missed leaves a gap to the stored piece", () => {
  expect(text([...begun, preview(0, "a"), preview(2, "c")])).toBe("a");
  expect(text([...begun, preview(0, "a"), preview(2, "c"), delta(4, 0, "abc")])).toBe("abc");
});

test("another attempt at a step begins its text anew, and the late pieces of the old one are dropped", () => {
  const items = [...begun, preview(0, "old words"), preview(0, "new", 2), preview(9, "!", 1)];

  expect(text(items)).toBe("new");
});

test("offsets count characters as the server does, beyond JavaScript's units", () => {
  expect(text([...begun, preview(0, "👍🏽 a"), preview(4, "b"), delta(4, 0, "👍🏽 ab")])).toBe("👍🏽 ab");
});

test("the whole answer replaces what was pieced together", () => {
  expect(text([...begun, preview(0, "Hal"), responded(4, "Hello")])).toBe("Hello");
  expect(text([...begun, responded(4, "Hello"), preview(0, "late")])).toBe("Hello");
});

test("reading piece by piece and reading the stored log give the same transcript", () => {
  const log = [
    ...begun,
    delta(4, 0, "From "),
    delta(5, 5, "a book"),
    responded(6, "From a book", "hm"),
    event(7, "run.completed", { message: { content: "From a book", citations: [] }, usage, cost_micros: 3 }),
  ];
  const live: LogItem[] = log.flatMap((each): LogItem[] => [preview(0, "From a"), each]);

  const piecewise = live.reduce((before, item) => read(before, [item]), EMPTY);

  expect(piecewise).toEqual(shown(log));
});

test("an event that comes twice is read once", () => {
  const log = [...begun, event(4, "artifact.created", { id: "f", name: "a.txt", size_bytes: 1 })];

  expect(turn([...log, ...log])?.artifacts).toHaveLength(1);
});

test("a tool call goes from asking to its result", () => {
  const call = { tool_call_id: "c", tool: "calculator", arguments: { expression: "1+1" } };
  const log = [
    ...begun,
    event(4, "approval.requested", { ...call, approval_id: "a", reason: "asks" }),
    event(5, "run.waiting", { waiting_for: ["approval"] }),
    event(6, "approval.decided", { tool_call_id: "c", decision: "approved", arguments: { expression: "2+2" } }),
    event(7, "tool.called", { ...call, arguments: { expression: "2+2" } }),
    event(8, "tool.returned", { tool_call_id: "c", tool: "calculator", status: "ok", text: "4", duration_ms: 1 }),
  ];

  const blocks = (until: number) => turn(log.slice(0, until))?.blocks[0];

  expect(blocks(5)).toMatchObject({ status: "waiting", approval: { id: "a", decision: null } });
  expect(blocks(8)).toMatchObject({ status: "ok", result: "4", arguments: { expression: "2+2" } });
});

test("what was said before a stop stays", () => {
  const stopped = turn([...begun, delta(4, 0, "Half an"), event(5, "run.cancelled", { text: "Half an" })]);

  expect(stopped).toMatchObject({ status: "cancelled", blocks: [{ text: "Half an" }] });
});

test("edited messages show their new text and deleted ones nothing", () => {
  const edited = shown([...begun, event(4, "message.edited", { seq: 1, content: "Goodbye" }, null)]);
  const deleted = shown([...begun, event(4, "message.deleted", { seq: 1 }, null)]);

  expect(edited.items[0]).toMatchObject({ text: "Goodbye" });
  expect(deleted.items.map((item) => item.kind)).toEqual(["turn"]);
});

test("turns that did not change stay the same object", () => {
  const before = shown(begun);

  const after = read(before, [event(4, "message.received", { role: "user", content: "More" }, "run-2")]);

  expect(after.items[1]).toBe(before.items[1]);
});

test("what is said while a run works stands where the run had got to", () => {
  const said = event(5, "message.received", { role: "user", content: "Rather in French" });
  const answer = event(7, "model.responded", { step: 2, model: "m", text: "Bonjour", thinking: "", usage });
  const items = [...begun, delta(4, 0, "Hel"), said, delta(6, 3, "lo"), answer];

  expect(text(items)).toBe("Hello|Rather in French|Bonjour");
  expect(text([...items, event(8, "message.edited", { seq: 5, content: "In German" })])).toContain("|In German|");
  expect(text([...items, event(8, "message.deleted", { seq: 5 })])).toBe("Hello|Bonjour");
});

test("a message after a run has ended begins a turn of its own", () => {
  const ended = event(5, "run.completed", { message: { content: "Hello", citations: [] } });
  const items = [...begun, delta(4, 0, "Hello"), ended, event(6, "message.received", { role: "user", content: "So?" })];

  expect(shown(items).items.map(({ kind }) => kind)).toEqual(["user", "turn", "user"]);
});

test("a run that waits for room says so in amounts that people read, and names its budget", () => {
  const data = { scope: "session", unit: "micros", limit: 20_000, spent: 15_000, needed: 9000, budget_id: "b1" };
  const [note] = turn([...begun, event(4, "budget.exceeded", data)])?.blocks ?? [];

  expect(note).toMatchObject({ kind: "note", budget: "b1" });
  expect(text([...begun, event(4, "budget.exceeded", data)])).toMatch(/^The session has used \$0\.015 of \$0\.02, /);
  expect(
    text([...begun, event(4, "budget.exceeded", { ...data, unit: "calls", spent: 1, limit: 1, needed: 1 })]),
  ).toMatch(/used 1 of 1 call,/);
});
