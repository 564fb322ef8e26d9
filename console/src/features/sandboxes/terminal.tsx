import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { toast } from "sonner";
import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";
import { closeTerminal, openTerminal, type TerminalOut, terminalsQuery } from "./api";
import type { LinkState } from "./terminal-link";
import type { Keys } from "./terminal-screen";

const Screen = lazy(() => import("./terminal-screen"));

/** Keys that phones lack. */
const MISSING = [
  ["Esc", "\x1b"],
  ["Tab", "\t"],
  ["Ctrl+C", "\x03"],
  ["Ctrl+D", "\x04"],
  ["↑", "\x1b[A"],
  ["↓", "\x1b[B"],
  ["←", "\x1b[D"],
  ["→", "\x1b[C"],
] as const;

const SAID: Record<LinkState, string> = {
  connecting: "connecting…",
  open: "connected",
  ended: "ended",
  refused: "not connected",
};

/** Real terminals, which go on while one is away: a reload, or another device, shows the same. */
export function Terminal({ sandbox, isPaused }: { sandbox: string; isPaused: boolean }) {
  const queries = useQueryClient();
  const terminals = useQuery(terminalsQuery(sandbox));
  const [chosen, setChosen] = useState<string | null>(null);
  const isAsked = useRef(false);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["sandbox", sandbox, "terminals"] });
  const opening = useMutation({
    mutationFn: () => openTerminal(sandbox),
    onSuccess: (made) => {
      queries.setQueryData(terminalsQuery(sandbox).queryKey, (before) => ({
        ...before,
        data: [...(before?.data ?? []), made],
      }));
      setChosen(made.id);
    },
    onSettled,
  });
  const closing = useMutation({
    mutationFn: (id: string) => closeTerminal(sandbox, id),
    onError: (error) => toast.error(error.message),
    onSettled,
  });
  const all = terminals.data?.data;
  // One that has just ended stays on the screen, so that its last words can be read.
  const shown = all?.filter((each) => each.status === "running" || each.id === chosen) ?? [];
  const current = shown.find((each) => each.id === chosen) ?? shown.at(-1);

  useEffect(() => {
    if (isPaused || isAsked.current || !all) return;
    isAsked.current = true;
    if (!all.some((each) => each.status === "running")) opening.mutate();
  }, [all, isPaused, opening]);

  const problem = opening.error ?? (all ? null : terminals.error);
  return (
    <div className="flex h-[30rem] flex-col">
      <div className="flex flex-wrap items-center gap-1 border-b border-line px-2 py-1.5">
        {shown.map((each, index) => (
          <Tab
            key={each.id}
            number={index + 1}
            terminal={each}
            isCurrent={each.id === current?.id}
            onShow={() => setChosen(each.id)}
            onClose={() => closing.mutate(each.id)}
          />
        ))}
        <Button
          id="new-terminal"
          look="quiet"
          size="small"
          disabled={opening.isPending || isPaused}
          onClick={() => opening.mutate()}
        >
          <Plus aria-hidden /> New
        </Button>
      </div>
      {current && !isPaused ? (
        <Shown key={current.id} sandbox={sandbox} terminal={current.id} />
      ) : (
        <p className={cn("p-4 text-sm", problem ? "text-bad" : "text-soft")} role={problem ? "alert" : "status"}>
          {problem?.message ??
            (isPaused
              ? "A terminal opens once it goes on."
              : opening.isPending || !all
                ? "A terminal is being opened…"
                : "No terminal is open.")}
        </p>
      )}
    </div>
  );
}

interface TabProps {
  number: number;
  terminal: TerminalOut;
  isCurrent: boolean;
  onShow: () => void;
  onClose: () => void;
}

const Tab = ({ number, terminal, isCurrent, onShow, onClose }: TabProps) => (
  <span className={cn("inline-flex items-center rounded-lg", isCurrent && "bg-accent-soft")}>
    <Button
      look="quiet"
      size="small"
      aria-pressed={isCurrent}
      className="aria-pressed:text-accent"
      title={terminal.command || undefined}
      onClick={onShow}
    >
      Terminal {number}
    </Button>
    <Button look="quiet" size="small" className="px-1.5" aria-label={`Close terminal ${number}`} onClick={onClose}>
      <X aria-hidden />
    </Button>
  </span>
);

function Shown({ sandbox, terminal }: { sandbox: string; terminal: string }) {
  const [link, setLink] = useState<{ state: LinkState; note: string }>({ state: "connecting", note: "" });
  const [isRead, setIsRead] = useState(false);
  const keys = useRef<Keys>(null);
  return (
    <>
      <section aria-label="Terminal screen" aria-describedby="terminal-help" className="min-h-0 flex-1">
        <Suspense fallback={<p className="p-4 text-sm text-soft">The terminal is being loaded…</p>}>
          <Screen
            sandbox={sandbox}
            terminal={terminal}
            isRead={isRead}
            keys={keys}
            onState={(state, note) => setLink({ state, note })}
            onLeave={() => document.getElementById("new-terminal")?.focus()}
          />
        </Suspense>
      </section>
      <div className="hidden flex-wrap gap-1 border-t border-line px-2 py-1.5 max-sm:flex pointer-coarse:flex">
        {MISSING.map(([name, sent]) => (
          <Button
            key={name}
            size="small"
            onPointerDown={(event) => event.preventDefault()} // the on-screen keyboard stays
            onClick={() => keys.current?.type(sent)}
          >
            {name}
          </Button>
        ))}
      </div>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 border-t border-line px-4 py-2 text-xs text-soft">
        <p role="status" className={cn(link.state === "refused" && "text-bad", link.state === "open" && "text-good")}>
          {SAID[link.state]}
          {link.note && ` · ${link.note}`}
        </p>
        <p id="terminal-help" className="max-sm:hidden">
          Shift+Esc leaves the terminal, Ctrl+Shift+C copies
        </p>
        <label className="ml-auto inline-flex items-center gap-1.5">
          <input type="checkbox" checked={isRead} onChange={(event) => setIsRead(event.target.checked)} />
          Read aloud
        </label>
      </div>
    </>
  );
}
