// Two ways to take something back: perform it only after a while, or perform it at once and reverse it.
import { useSyncExternalStore } from "react";
import { toast } from "@/lib/toast";

const UNDO_MS = 6000;

interface Later {
  /** What a list leaves out meanwhile, such as the id of what is deleted. */
  key: string;
  /** What has happened, as the person sees it: "Travel handbook is deleted." */
  text: string;
  perform: () => Promise<unknown>;
  /** After it was performed, or was refused; for reading lists again. */
  onSettled?: () => unknown;
}

const waiting = new Map<string, () => Promise<unknown>>();
const listeners = new Set<() => void>();
let hidden: ReadonlySet<string> = new Set();

function hide(key: string, isHidden: boolean) {
  const next = new Set(hidden);
  if (isHidden) next.add(key);
  else next.delete(key);
  hidden = next;
  for (const listener of listeners) listener();
}

/** Hides it now, performs it in six seconds unless the person takes it back. Leaving the page performs it at once. */
export function later({ key, text, perform, onSettled }: Later) {
  if (waiting.has(key)) return;
  const timer = setTimeout(() => void now(), UNDO_MS);
  const shown = toast(text, {
    duration: UNDO_MS,
    action: {
      label: "Undo",
      onClick: () => {
        clearTimeout(timer);
        waiting.delete(key);
        hide(key, false);
      },
    },
  });
  const now = () => {
    clearTimeout(timer);
    waiting.delete(key);
    toast.dismiss(shown);
    return perform()
      .catch((error: unknown) => toast.error(error instanceof Error ? error.message : "That did not work."))
      .then(() => onSettled?.())
      .finally(() => hide(key, false));
  };
  waiting.set(key, now);
  hide(key, true);
}

/** Performs at once what still waits to be taken back. */
export const settleAll = () => Promise.all([...waiting.values()].map((now) => now()));

/** What is about to be deleted; lists leave it out. */
export const useHidden = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    () => hidden,
  );

/** Says what was done, with a way back. */
export function reversible(text: string, reverse: () => Promise<unknown>) {
  toast.success(text, {
    duration: UNDO_MS,
    action: {
      label: "Undo",
      onClick: () =>
        void reverse().then(
          () => toast.success("Taken back."),
          (error: unknown) => toast.error(error instanceof Error ? error.message : "That did not work."),
        ),
    },
  });
}

if (typeof window !== "undefined") window.addEventListener("pagehide", () => void settleAll());
