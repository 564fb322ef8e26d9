import { afterEach, beforeEach, expect, test, vi } from "vitest";

const shown: { text: string; undo?: () => void }[] = [];
vi.mock("@/lib/toast", () => {
  const say = (text: string, options?: { action?: { onClick: () => void } }) => {
    shown.push({ text, undo: options?.action?.onClick });
    return text;
  };
  return { toast: Object.assign(say, { success: say, error: say, warning: say, dismiss: () => {} }) };
});
const { later, reversible, settleAll } = await import("@/lib/undo");

beforeEach(() => {
  vi.useFakeTimers();
  shown.length = 0;
});
afterEach(() => vi.useRealTimers());

test("what is taken back is never done", async () => {
  const perform = vi.fn(async () => {});
  later({ key: "a", text: "It is deleted.", perform });
  shown[0]?.undo?.();

  await vi.advanceTimersByTimeAsync(60_000);

  expect(perform).not.toHaveBeenCalled();
});

test("what is not taken back is done once, also when everything is settled at once", async () => {
  const perform = vi.fn(async () => {});
  const onSettled = vi.fn();
  later({ key: "b", text: "It is deleted.", perform, onSettled });
  later({ key: "b", text: "It is deleted.", perform, onSettled });
  expect(perform).not.toHaveBeenCalled();

  await settleAll();
  await vi.advanceTimersByTimeAsync(60_000);

  expect(perform).toHaveBeenCalledOnce();
  expect(onSettled).toHaveBeenCalledOnce();
});

test("a refusal is told, and the list is read anew", async () => {
  const onSettled = vi.fn();
  later({ key: "c", text: "It is deleted.", perform: () => Promise.reject(new Error("It is in use.")), onSettled });

  await vi.advanceTimersByTimeAsync(6000);

  expect(shown.map(({ text }) => text)).toEqual(["It is deleted.", "It is in use."]);
  expect(onSettled).toHaveBeenCalledOnce();
});

test("what was done is reversed by its own call", async () => {
  const reverse = vi.fn(async () => {});
  reversible("It is paused.", reverse);

  shown[0]?.undo?.();
  await vi.advanceTimersByTimeAsync(0);

  expect(reverse).toHaveBeenCalledOnce();
  expect(shown.map(({ text }) => text)).toEqual(["It is paused.", "Taken back."]);
});
