import { useVirtualizer } from "@tanstack/react-virtual";
import { Pause, Play } from "lucide-react";
import { useDeferredValue, useLayoutEffect, useRef, useState } from "react";
import { Empty, Failure, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Input, Select } from "@/components/ui/field";
import { cn } from "@/lib/cn";
import { count } from "@/lib/format";
import type { Level, Line, LineFilter, Replica } from "./api";
import { useLines } from "./use-lines";

const LEVELS: Level[] = ["debug", "info", "warn", "error"];
const LOOKS: Record<string, string> = { debug: "text-soft", warn: "text-warn", error: "text-bad" };

interface Props {
  deployment: string;
  replicas: Replica[];
  filter: LineFilter;
  onFilter: (filter: LineFilter) => void;
}

/** What its programs write, as they write it. */
export function Logs({ deployment, replicas, filter, onFilter }: Props) {
  const [isPaused, setIsPaused] = useState(false);
  const [text, setText] = useState(filter.text);
  const asked = useDeferredValue(filter);
  const { lines, waiting, connection, error, isRead } = useLines(deployment, asked, isPaused);
  return (
    <div className="flex h-[34rem] flex-col">
      <form
        className="flex flex-wrap items-center gap-2 border-b border-line p-3"
        onSubmit={(event) => {
          event.preventDefault();
          onFilter({ ...filter, text: text.trim() });
        }}
      >
        <Input
          aria-label="Text in the line"
          placeholder="Text; Enter finds"
          className="min-w-36 flex-1"
          value={text}
          maxLength={200}
          onChange={(event) => setText(event.target.value)}
          onBlur={() => text.trim() !== filter.text && onFilter({ ...filter, text: text.trim() })}
        />
        <Select
          aria-label="Level"
          className="w-auto"
          value={filter.level}
          onChange={(event) => onFilter({ ...filter, level: event.target.value as Level })}
        >
          {LEVELS.map((level) => (
            <option key={level} value={level}>
              {level === "debug" ? "all levels" : level === "error" ? "errors" : `${level} and above`}
            </option>
          ))}
        </Select>
        <Select
          aria-label="Replica"
          className="w-auto"
          value={filter.replica}
          onChange={(event) => onFilter({ ...filter, replica: event.target.value })}
        >
          <option value="">all replicas</option>
          {replicas.map(({ id }) => (
            <option key={id} value={id}>
              {id.slice(-8)}
            </option>
          ))}
        </Select>
        <Button onClick={() => setIsPaused(!isPaused)} aria-pressed={isPaused}>
          {isPaused ? <Play aria-hidden /> : <Pause aria-hidden />}
          {isPaused ? `Go on${waiting ? ` (${count(waiting)} new)` : ""}` : "Pause"}
        </Button>
      </form>
      {error && <Failure error={error} />}
      {!isRead && !error && <Loading what="lines" />}
      {isRead && !lines.length && !error && (
        <div className="p-4">
          <Empty title={filter.text || filter.replica ? "No line is like that" : "Nothing was written yet"}>
            What the program writes to stdout and stderr comes here.
          </Empty>
        </div>
      )}
      {lines.length > 0 && <Lines lines={lines} isFollowing={!isPaused} />}
      <p role="status" className="h-7 border-t border-line px-3 py-1 text-xs text-soft">
        {isPaused ? "Paused" : connection === "open" ? "Following" : isRead ? "Reconnecting…" : ""}
        {lines.length > 0 && ` · ${count(lines.length)} lines`}
      </p>
    </div>
  );
}

const NEAR_PX = 60;

function Lines({ lines, isFollowing }: { lines: Line[]; isFollowing: boolean }) {
  const scroller = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const list = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    getItemKey: (index) => lines[index]?.id ?? index,
    estimateSize: () => 22,
    overscan: 20,
  });
  const height = list.getTotalSize();
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever lines come, the end is somewhere else
  useLayoutEffect(() => {
    if (isFollowing && isAtEnd.current && scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  }, [height, lines, isFollowing]);
  return (
    <div
      ref={scroller}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      role="log"
      aria-label="Lines"
      aria-live="off"
      className="min-h-0 flex-1 overflow-y-auto py-1 font-mono text-xs"
      style={{ overflowAnchor: "none" }}
      onScroll={({ currentTarget: box }) => {
        isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
      }}
    >
      <div className="relative" style={{ height }}>
        {list.getVirtualItems().map((row) => {
          const line = lines[row.index];
          return (
            line && (
              <div
                key={row.key}
                data-index={row.index}
                ref={list.measureElement}
                className="absolute inset-x-0 top-0 flex gap-3 px-3 py-0.5"
                style={{ transform: `translateY(${row.start}px)` }}
              >
                <time className="shrink-0 text-soft tabular-nums" dateTime={line.at} title={line.at}>
                  {line.at.slice(11, 23)}
                </time>
                <span className="hidden shrink-0 text-soft sm:inline" title={`replica ${line.replica_id}`}>
                  {line.replica_id.slice(-4)}
                </span>
                <span className={cn("w-10 shrink-0", LOOKS[line.level])}>{line.level}</span>
                <span className={cn("min-w-0 flex-1 break-all whitespace-pre-wrap", LOOKS[line.level])}>
                  {line.message}
                </span>
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}
