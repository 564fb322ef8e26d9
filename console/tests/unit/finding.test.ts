// What the palette offers, and which lines of a log are shown.
import { expect, test } from "vitest";
import { bodyOf, changesOf, draftOf, EMPTY, variablesOf } from "@/features/deployments/draft";
import { grown, passes } from "@/features/deployments/lines";
import { matching } from "@/features/search/choices";

const choice = (title: string, words = "") => ({ key: title, group: "", title, words, onChoose: () => {} });
const line = (id: number, message = "GET /a", replica_id = "r1") => ({
  id,
  message,
  replica_id,
  level: "info",
  at: "",
});

test("every typed word must be there, and titles come before other words", () => {
  const choices = [choice("Runs", "traces"), choice("Traces"), choice("Chat")];

  expect(matching(choices, "trac").map(({ title }) => title)).toEqual(["Traces", "Runs"]);
  expect(matching(choices, "run trac").map(({ title }) => title)).toEqual(["Runs"]);
  expect(matching(choices, "").length).toBe(3);
});

test("a line that comes twice is kept once, and the oldest are given up", () => {
  expect(grown([line(1), line(2)], [line(2), line(3)]).map(({ id }) => id)).toEqual([1, 2, 3]);
  expect(grown([line(1), line(2)], [line(3)], 2).map(({ id }) => id)).toEqual([2, 3]);
});

test("lines pass by text in any case and by replica", () => {
  expect(passes(line(1), { text: "get", replica: "" })).toBe(true);
  expect(passes(line(1), { text: "post", replica: "" })).toBe(false);
  expect(passes(line(1), { text: "", replica: "r2" })).toBe(false);
});

test("only what differs is sent, and variables only when some were written", () => {
  const before = { ...bodyOf({ ...EMPTY, name: "web", binary_url: "https://a/b" }), environment_names: ["A"] };
  // biome-ignore lint/suspicious/noExplicitAny: the fields that the form reads
  const found = { ...before, health_path: "/health", sha256: null } as any;

  expect(changesOf(draftOf(found), found)).toEqual({});
  expect(changesOf({ ...draftOf(found), memory: "1Gi" }, found)).toEqual({ memory: "1Gi" });
  expect(changesOf({ ...draftOf(found), environment: "A=b=c" }, found)).toEqual({ environment: { A: "b=c" } });
});

test("a variable without a name is refused in words", () => {
  expect(() => variablesOf("A=1\n=2")).toThrow("NAME=value");
});
