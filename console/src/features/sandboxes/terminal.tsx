import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";
import { count } from "@/lib/format";
import { nameOf } from "./paths";
import type { LineKind, Screen } from "./screen";
import { useTerminal } from "./use-terminal";

const LOOKS: Record<LineKind, string> = {
  in: "text-accent before:content-['$_']",
  stdout: "",
  stderr: "text-bad",
  note: "text-warn italic",
};

/** Commands and what they say, as they say it. Up and down bring earlier ones; Ctrl+C interrupts. */
export function Terminal({ sandbox }: { sandbox: string }) {
  const { screen, cwd, isRunning, run, interrupt, kill, clear } = useTerminal(sandbox);
  const [draft, setDraft] = useState("");
  const [earlier, setEarlier] = useState<string[]>([]);
  const [place, setPlace] = useState<number | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const recall = (step: number) => {
    const next = (place ?? earlier.length) + step;
    if (next < 0 || !earlier.length) return;
    setPlace(next >= earlier.length ? null : next);
    setDraft(earlier[next] ?? "");
  };
  const send = () => {
    const command = draft.trim();
    if (!command || isRunning) return;
    setDraft("");
    setPlace(null);
    setEarlier((before) => [...before.filter((each) => each !== command), command].slice(-200));
    if (command === "clear") clear();
    else void run(command);
  };
  return (
    <div className="flex h-[30rem] flex-col">
      <Lines screen={screen} />
      <form
        className="flex items-center gap-2 border-t border-line px-4 py-2"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <label htmlFor="command" title={cwd} className="max-w-40 shrink-0 truncate font-mono text-sm text-soft">
          {nameOf(cwd) || "/"} $<span className="sr-only"> command</span>
        </label>
        <input
          ref={input}
          id="command"
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          className="min-w-0 flex-1 bg-transparent py-1 font-mono text-sm"
          placeholder={isRunning ? "It runs…" : "ls -l"}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={(event) => {
            const isCopying = input.current && input.current.selectionStart !== input.current.selectionEnd;
            if (event.key === "ArrowUp" || event.key === "ArrowDown") {
              event.preventDefault();
              recall(event.key === "ArrowUp" ? -1 : 1);
            } else if (event.ctrlKey && event.key === "c" && !isCopying) {
              event.preventDefault();
              if (isRunning) interrupt();
              else setDraft("");
            } else if (event.ctrlKey && event.key === "l") {
              event.preventDefault();
              clear();
            }
          }}
        />
        {isRunning ? (
          <>
            <Button size="small" onClick={interrupt} title="Ctrl+C">
              Interrupt
            </Button>
            <Button size="small" look="danger" onClick={kill}>
              Kill
            </Button>
          </>
        ) : (
          <>
            <Button size="small" look="main" type="submit" disabled={!draft.trim()}>
              Run
            </Button>
            <span className="hidden sm:block">
              <CopyCurl
                method="POST"
                path={`/v1/sandboxes/${sandbox}/exec`}
                body={{ command: draft || earlier.at(-1) || "ls -l", cwd }}
              />
            </span>
          </>
        )}
      </form>
    </div>
  );
}

function Lines({ screen }: { screen: Screen }) {
  const scroller = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const { lines, dropped } = screen;
  const list = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 20,
    overscan: 30,
    getItemKey: (index) => index + dropped,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the screen is what the end moves with
  useEffect(() => {
    if (isAtEnd.current && lines.length) list.scrollToIndex(lines.length - 1, { align: "end" });
  }, [screen, list]);
  return (
    <section
      ref={scroller}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label="Output"
      aria-live="polite"
      className="min-h-0 flex-1 overflow-y-auto bg-raised px-4 py-3 font-mono text-xs leading-5"
      onScroll={(event) => {
        const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
        isAtEnd.current = scrollHeight - scrollTop - clientHeight < 40;
      }}
    >
      {lines.length === 0 && (
        <p className="text-soft">
          Each line is a command of its own, in a shell of its own; cd is remembered. Nothing typed here reaches a
          command that runs.
        </p>
      )}
      {dropped > 0 && <p className="text-soft">{count(dropped)} earlier lines are not kept.</p>}
      <div className="relative" style={{ height: list.getTotalSize() }}>
        {list.getVirtualItems().map((row) => {
          const line = lines[row.index];
          return (
            line && (
              <p
                key={row.key}
                data-index={row.index}
                ref={list.measureElement}
                className={cn("absolute inset-x-0 top-0 min-h-5 break-all whitespace-pre-wrap", LOOKS[line.kind])}
                style={{ transform: `translateY(${row.start}px)` }}
              >
                {line.text}
              </p>
            )
          );
        })}
      </div>
    </section>
  );
}
