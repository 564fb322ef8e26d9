import { useCallback, useRef, useState } from "react";
import { draftOf, keepDraft } from "@/lib/drafts";
import { credentials } from "@/lib/session";

type Change = string | ((before: string) => string);

/** What is being written, kept for each conversation. What was written before its session was made goes along to it. */
export function useDraft(session: string | null, place: string): [string, (change: Change) => void] {
  const name = session ?? place;
  const [held, setHeld] = useState(() => ({ name, text: draftOf(name) }));
  let shown = held;
  if (held.name !== name) {
    const isBegun = session !== null && held.name === place;
    shown = { name, text: draftOf(name) || (isBegun ? held.text : "") };
    if (isBegun) {
      keepDraft(name, shown.text);
      keepDraft(place, "");
    }
    setHeld(shown);
  }
  const latest = useRef(shown);
  latest.current = shown;
  const change = useCallback((next: Change) => {
    const { name: now, text: before } = latest.current;
    const text = typeof next === "string" ? next : next(before);
    latest.current = { name: now, text };
    if (credentials()) keepDraft(now, text); // a message that comes back after signing out is nobody's
    setHeld(latest.current);
  }, []);
  return [shown.text, change];
}
