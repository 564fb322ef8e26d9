import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import { Shown } from "@/components/states";
import { cn } from "@/lib/cn";
import { chunksQuery } from "./api";

type Chunk = { chunk: number; page: number | null; heading: string; text: string };

/** A document's passages; the one that is asked for is marked and in view. */
export function Passages({ base, document, chunk }: { base: string; document: string; chunk?: number }) {
  const chunks = useQuery(chunksQuery(base, document));
  return (
    <Shown of={chunks} what="the document's passages">
      {({ data }) =>
        data.length ? <List chunks={data} marked={chunk} /> : <p className="p-4 text-soft">It has no passages yet.</p>
      }
    </Shown>
  );
}

function List({ chunks, marked }: { chunks: Chunk[]; marked?: number }) {
  const scroller = useRef<HTMLDivElement>(null);
  const list = useVirtualizer({
    count: chunks.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 140,
    overscan: 5,
  });
  useEffect(() => {
    const place = chunks.findIndex((each) => each.chunk === marked);
    if (place >= 0) list.scrollToIndex(place, { align: "center" });
  }, [chunks, marked, list]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section ref={scroller} tabIndex={0} aria-label="Passages" className="h-full min-h-64 overflow-y-auto">
      <div className="relative" style={{ height: list.getTotalSize() }}>
        {list.getVirtualItems().map((row) => {
          const chunk = chunks[row.index];
          return (
            chunk && (
              <div
                key={row.key}
                data-index={row.index}
                ref={list.measureElement}
                className="absolute inset-x-0 top-0 px-4 py-2"
                style={{ transform: `translateY(${row.start}px)` }}
              >
                <div
                  className={cn(
                    "rounded-lg border border-line p-3",
                    chunk.chunk === marked && "border-accent bg-accent-soft",
                  )}
                >
                  <p className="mb-1 text-sm text-soft">
                    Passage {chunk.chunk + 1}
                    {chunk.page !== null && ` · page ${chunk.page}`}
                    {chunk.heading && ` · ${chunk.heading}`}
                  </p>
                  <p className="text-sm break-words whitespace-pre-wrap">{chunk.text}</p>
                </div>
              </div>
            )
          );
        })}
      </div>
    </section>
  );
}
