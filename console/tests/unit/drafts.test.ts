import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { draftOf, forgetDrafts, keepDraft } from "../../src/lib/drafts";

class Storage {
  private readonly kept = new Map<string, string>();
  get length() {
    return this.kept.size;
  }
  key = (index: number) => [...this.kept.keys()][index] ?? null;
  getItem = (name: string) => this.kept.get(name) ?? null;
  setItem = (name: string, value: string) => void this.kept.set(name, value);
  removeItem = (name: string) => void this.kept.delete(name);
}

beforeEach(() => {
  vi.stubGlobal("sessionStorage", new Storage());
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("each conversation has a draft of its own, until it is sent", () => {
  keepDraft("one", "What may a hotel");
  keepDraft("two", "And a train?");

  keepDraft("one", "");

  expect(draftOf("one")).toBe("");
  expect(draftOf("two")).toBe("And a train?");
});

test("of many conversations the ones written in last keep their drafts", () => {
  for (let number = 0; number < 30; number += 1) {
    vi.setSystemTime(number);
    keepDraft(`conversation ${number}`, "words");
    keepDraft("conversation 0", "written in again and again");
  }

  expect(sessionStorage.length).toBe(20);
  expect(draftOf("conversation 0")).toBe("written in again and again");
  expect(draftOf("conversation 10")).toBe("");
  expect(draftOf("conversation 11")).toBe("words");
});

test("a text that is too long to be kept does not leave half of itself", () => {
  keepDraft("one", "x".repeat(50_000));
  expect(draftOf("one")).toHaveLength(50_000);

  keepDraft("one", "x".repeat(50_001));

  expect(draftOf("one")).toBe("");
});

test("signing out forgets all drafts and nothing else", () => {
  sessionStorage.setItem("glia.recent", "[]");
  keepDraft("one", "words");
  keepDraft("two", "words");

  forgetDrafts();

  expect(draftOf("one") + draftOf("two")).toBe("");
  expect(sessionStorage.getItem("glia.recent")).toBe("[]");
});

test("a browser that keeps nothing, or something else, has no drafts", () => {
  sessionStorage.setItem("glia.draft.one", "{");
  expect(draftOf("one")).toBe("");

  vi.stubGlobal("sessionStorage", undefined);
  keepDraft("one", "words");
  forgetDrafts();

  expect(draftOf("one")).toBe("");
});
