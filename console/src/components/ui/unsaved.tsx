import { useBlocker } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useEffect, useMemo, useRef } from "react";
import { watchUnsaved } from "@/lib/unsaved";

const load = () => import("./question");
const Question = lazy(load);

interface Options {
  /** What would be lost: "the agent". */
  what: string;
  isChanged: boolean;
  /** For a form that is shown by the search of an address: whether it is still shown with this one. */
  isKept?: (search: Record<string, unknown>) => boolean;
}

interface Unsaved {
  /** Stands in the form; asks before it is left. */
  question: ReactNode;
  /** Called once it is stored, before going elsewhere. */
  saved: () => void;
}

/** Asks before what was written is lost: by another address, by a reload, or by closing the tab. */
export function useUnsaved({ what, isChanged, isKept }: Options): Unsaved {
  // Read when somebody leaves, which may be before the next drawing.
  const now = useRef({ isChanged, isKept });
  now.current = { isChanged, isKept };
  const stored = useRef(false);
  const { isUnsaved, shouldBlockFn, saved } = useMemo(() => {
    const isUnsaved = () => now.current.isChanged && !stored.current;
    return {
      isUnsaved,
      shouldBlockFn: ({ current, next }: { current: Place; next: Place }) =>
        isUnsaved() &&
        !(current.pathname === next.pathname && (now.current.isKept?.(next.search as Record<string, unknown>) ?? true)),
      saved: () => {
        stored.current = true;
      },
    };
  }, []);
  useEffect(() => {
    if (!isChanged) stored.current = false; // what is written from here on is not stored
  }, [isChanged]);
  useEffect(() => {
    void load().catch(() => {}); // while the server is there; without it the question could not be asked
    return watchUnsaved(isUnsaved);
  }, [isUnsaved]);
  const leaving = useBlocker({
    shouldBlockFn,
    enableBeforeUnload: isUnsaved,
    disabled: !isChanged,
    withResolver: true,
  });
  const question = leaving.status === "blocked" && (
    <Suspense>
      <Question
        title="Leave without saving?"
        text={`What you changed in ${what} is not saved; leaving loses it.`}
        action="Leave"
        cancel="Stay"
        onConfirm={leaving.proceed}
        onClose={leaving.reset}
      />
    </Suspense>
  );
  return { question, saved };
}

interface Place {
  pathname: string;
  search: object;
}
