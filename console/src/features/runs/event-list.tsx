import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useRef } from "react";
import { cn } from "@/lib/cn";
import { useKeys } from "@/lib/keys";
import type { LogEvent } from "@/lib/log";
import { gistOf } from "./timeline";

interface Props {
  events: LogEvent[];
  shown: number | undefined;
  onShow: (seq: number) => void;
}

const ROW_PX = 36;

/** Every event of the run; j and k, or the arrows, step through them. */
export function EventList({ events, shown, onShow }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const place = events.findIndex((event) => event.seq === shown);
  useEffect(() => {
    if (place >= 0) list.scrollToIndex(place, { align: "auto" });
  }, [place, list]);
  const step = (by: number | undefined) => {
    const next = by && events[Math.min(Math.max(place + by, 0), events.length - 1)];
    if (next) onShow(next.seq);
    return Boolean(next);
  };
  // Wherever one is on the screen; the arrows belong to the list alone, for elsewhere they scroll.
  useKeys((key) => step({ j: 1, k: -1 }[key]));
  const onKey = (event: KeyboardEvent) => {
    if (step({ ArrowDown: 1, ArrowUp: -1 }[event.key])) event.preventDefault();
  };
  return (
    <div
      ref={scroller}
      role="listbox"
      aria-label="Events; j and k step through them"
      aria-activedescendant={place >= 0 ? `event-${shown}` : undefined}
      tabIndex={0}
      onKeyDown={onKey}
      className="h-full overflow-y-auto"
    >
      <div className="relative" style={{ height: list.getTotalSize() }}>
        {list.getVirtualItems().map((row) => {
          const event = events[row.index];
          return (
            event && (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the list takes the keys for all of its rows
              <div
                key={event.seq}
                id={`event-${event.seq}`}
                role="option"
                aria-selected={event.seq === shown}
                tabIndex={-1}
                className={cn(
                  "absolute inset-x-0 top-0 flex cursor-pointer items-center gap-3 px-4 text-sm hover:bg-raised",
                  event.seq === shown && "bg-accent-soft hover:bg-accent-soft",
                )}
                style={{ height: ROW_PX, transform: `translateY(${row.start}px)` }}
                onClick={() => onShow(event.seq)}
              >
                <span className="w-9 shrink-0 text-right text-soft tabular-nums">{event.seq}</span>
                <span className="w-36 shrink-0 truncate font-mono text-xs">{event.type}</span>
                <span className="min-w-0 truncate text-soft">{gistOf(event)}</span>
              </div>
            )
          );
        })}
      </div>
    </div>
  );
}
