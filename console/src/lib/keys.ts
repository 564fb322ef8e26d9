// Keys that work anywhere. Those without Ctrl can be switched off, for people whose keyboards say what they did not mean.
import { useEffect, useRef, useSyncExternalStore } from "react";

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
  useEffect(() => {
    let begunAt = 0;
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
      begunAt = !isSecond && key === "g" ? event.timeStamp : 0;
      if (begunAt) return;
      if (latest.current(isSecond ? `g ${key}` : key)) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
