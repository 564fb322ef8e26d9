import { expect, test } from "vitest";
import { linesOf, readLines } from "../../src/features/memory/lines";
import { bodyOf, BLANK as NEW, variables } from "../../src/features/sandboxes/draft";
import { below, stepsOf, typeOf } from "../../src/features/sandboxes/paths";
import { matching } from "../../src/features/tools/matching";
import { argumentsOf, read } from "../../src/features/tools/schema";
import { readCsv } from "../../src/lib/csv";
import { lineDiff } from "../../src/lib/diff";
import { lookOf } from "../../src/lib/look";
import { python } from "../../src/lib/python";

test("a schema becomes a form", () => {
  const schema = {
    type: "object",
    properties: {
      text: { type: "string" },
      often: { anyOf: [{ type: "integer" }, { type: "null" }], default: 3 },
      tone: { $ref: "#/$defs/Tone" },
      loud: { type: "boolean" },
      parts: { type: "array", items: { type: "string" } },
    },
    required: ["text"],
    $defs: { Tone: { enum: ["soft", "sharp"] } },
  };

  const found = argumentsOf(schema);

  expect(found.map(({ name, kind, isRequired }) => [name, kind, isRequired])).toEqual([
    ["text", "text", true],
    ["often", "integer", false],
    ["tone", "choice", false],
    ["loud", "boolean", false],
    ["parts", "json", false],
  ]);
  expect(read(found, { text: "", often: "2", loud: "true", parts: "[1]" })).toEqual({
    text: "",
    often: 2,
    loud: true,
    parts: [1],
  });
  expect(() => read(found, { often: "2.5" })).toThrow("no whole number");
  expect(() => read(found, { parts: "[" })).toThrow("parts is no JSON");
});

test("a tool is found by any of its words", () => {
  const tools = [
    { name: "web_search", description: "Finds pages." },
    { name: "calculator", description: "Adds and multiplies." },
  ];

  expect(matching(tools, "PAGES web").map(({ name }) => name)).toEqual(["web_search"]);
  expect(matching(tools, "")).toHaveLength(2);
});

test("a table keeps what stands in quotes", () => {
  const { rows, hasMore } = readCsv('name,said\r\nAda,"a, ""b""\nc"\n\nlast,1\n', ",", 9);

  expect(rows).toEqual([
    ["name", "said"],
    ["Ada", 'a, "b"\nc'],
    ["last", "1"],
  ]);
  expect(hasMore).toBe(false);
  expect(readCsv("a\nb\nc", ",", 2)).toEqual({ rows: [["a"], ["b"]], hasMore: true });
});

test("a diff names what went and what came", () => {
  const marks = (before: string, after: string) => lineDiff(before, after).map(({ kind, text }) => `${kind} ${text}`);

  expect(marks("a\nb\nc", "a\nX\nc\nd")).toEqual(["same a", "gone b", "new X", "same c", "new d"]);
  expect(marks("same", "same")).toEqual(["same same"]);
  expect(marks("a\na", "a")).toEqual(["same a", "gone a"]);
});

test("facts go out and come back", () => {
  const facts = readLines('{"content":"Ada lives in Kyiv.","bucket":"people"}\n\n{"content":"x","user_name":null}\n');

  expect(facts).toEqual([{ content: "Ada lives in Kyiv.", bucket: "people" }, { content: "x" }]);
  expect(readLines(linesOf(facts as never))).toEqual(facts);
  expect(() => readLines('{"content":"a"}\n{"text":"b"}')).toThrow("Line 2 has no content.");
  expect(() => readLines("nothing")).toThrow("Line 1 is no JSON.");
});

test("pages and drawings never run: one is text, the other a picture", () => {
  const look = (media_type: string, name = "a", size_bytes = 10) => lookOf({ media_type, name, size_bytes });

  expect(look("text/html")).toBe("text");
  expect(look("image/svg+xml")).toBe("image");
  expect(look("text/plain", "a.csv")).toBe("table");
  expect(look("application/json")).toBe("text");
  expect(look("application/zip")).toBe("none");
  expect(look("text/plain", "a", 2_000_000)).toBe("none");
});

test("paths are joined and taken apart", () => {
  expect(below("/workspace/", "a.txt")).toBe("/workspace/a.txt");
  expect(below("/", "a")).toBe("/a");
  expect(stepsOf("/a/b").map(({ path }) => path)).toEqual(["/", "/a", "/a/b"]);
  expect([typeOf("/a/plot.PNG"), typeOf("/a/x.tar.gz"), typeOf("/a/Makefile")]).toEqual([
    "image/png",
    "application/octet-stream",
    "text/plain",
  ]);
});

test("a sandbox is asked for in bytes and seconds", () => {
  const body = bodyOf(
    { ...NEW, memoryMb: "256", minutes: "2", hosts: "a.org, b.org\nc.org", env: "A=1\nB=x=y" },
    undefined,
  );

  expect(body.limits?.memory_bytes).toBe(256 * 1024 * 1024);
  expect(body.lease_seconds).toBe(120);
  expect(body.allow_hosts).toEqual(["a.org", "b.org", "c.org"]);
  expect(body.env).toEqual({ A: "1", B: "x=y" });
  expect(() => variables("1A=x")).toThrow("no variable");
});

test("a request as Python has Python's words", () => {
  const text = python("http://h", "POST", "/v1/x", { a: null, b: [true, 'it\'s "so"'], c: {} });

  expect(text).toContain(
    'body = {\n    "a": None,\n    "b": [\n        True,\n        "it\'s \\"so\\"",\n    ],\n    "c": {},\n}',
  );
  expect(text).toContain('os.environ["GLIA_API_KEY"]');
  expect(python("http://h", "GET", "/v1/x")).not.toContain("body");
});
