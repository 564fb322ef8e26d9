// Keys that work anywhere. Those without Ctrl can be switched off, for people whose keyboards say what they did not mean.
import { useLayoutEffect, useRef, useSyncExternalStore } from "react";

const PLACE = "glia.keys";
const listeners = new Set<() => void>();

export const areKeysOn = () => localStorage.getItem(PLACE) !== "off";

export function setKeys(isOn: boolean) {
  if (isOn) localStorage.removeItem(PLACE);
  else localStorage.setItem(PLACE, "off");
  for (const listener of listeners) listener();
}

export const useKeysOn = () =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }, areKeysOn);

/** How this machine's keyboard names the key that Ctrl is elsewhere. */
export const CTRL = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘" : "Ctrl";

const WRITING =
  "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], [role=dialog], [role=alertdialog]";
const SEQUENCE_MS = 1200;

/** Calls `onKeys` with `mod+k`, a key that stands alone such as `?`, or `g` and the letter after it. What it takes, it answers with true. */
export function useKeys(onKeys: (keys: string) => boolean) {
  const latest = useRef(onKeys);
  latest.current = onKeys;
  // Before the screen is painted: who sees it may press a key.
  useLayoutEffect(() => {
    let begunAt = Number.NEGATIVE_INFINITY;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || event.altKey) return;
      const key = event.key.toLowerCase();
      if (event.ctrlKey || event.metaKey) {
        if (key === "k" && !event.shiftKey && latest.current("mod+k")) event.preventDefault();
        return;
      }
      const isWriting = event.target instanceof Element && event.target.closest(WRITING) !== null;
      if (isWriting || !areKeysOn()) return;
      const isSecond = event.timeStamp - begunAt < SEQUENCE_MS;
      const isFirst = !isSecond && key === "g";
      // Never 0: that is when the page was opened, and a key soon after it would count as a second one.
      begunAt = isFirst ? event.timeStamp : Number.NEGATIVE_INFINITY;
      if (isFirst) return;
      if (latest.current(isSecond ? `g ${key}` : key)) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
