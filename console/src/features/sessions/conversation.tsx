import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import { type ReactNode, useLayoutEffect, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";
import type { Citation } from "@/lib/log";
import type { Item, ToolBlock, Transcript, TurnItem } from "./transcript";
import { TurnView } from "./turn";
import { UserMessage } from "./user-message";

interface Props {
  transcript: Transcript;
  onCitation: (citation: Citation) => void;
  onBranch?: (seq: number, text: string) => void;
  runLink: (turn: TurnItem, block?: ToolBlock) => ReactNode;
  callsLink: (turn: TurnItem, figure: string) => ReactNode;
  approval: (id: string) => ReactNode;
  empty: ReactNode;
}

const NEAR_PX = 80;

/** The transcript as a virtual list. It keeps to its end while one reads there, and stays put while one reads above. */
export function Conversation({ transcript, empty, ...rest }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const [isAway, setIsAway] = useState(false);
  const { items } = transcript;
  const list = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 160,
    getItemKey: (index) => items[index]?.key ?? index,
    overscan: 6,
    paddingStart: 16,
  });
  const height = list.getTotalSize();
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever rows grow, the end is somewhere else
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && isAtEnd.current) element.scrollTop = element.scrollHeight;
  }, [height, transcript]);
  const toEnd = () => {
    isAtEnd.current = true;
    setIsAway(false);
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  };
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        role="log"
        aria-label="Conversation"
        className="h-full overflow-y-auto overscroll-contain"
        style={{ overflowAnchor: "none" }}
        onScroll={({ currentTarget: box }) => {
          isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
          setIsAway(!isAtEnd.current);
        }}
      >
        {items.length === 0 ? (
          <div className="mx-auto max-w-3xl px-4 py-10">{empty}</div>
        ) : (
          <div className="relative mx-auto max-w-3xl" style={{ height }}>
            {list.getVirtualItems().map((row) => {
              const item = items[row.index];
              return (
                item && (
                  <div
                    key={row.key}
                    data-index={row.index}
                    ref={list.measureElement}
                    // The space below is the last row's own: the end moves with the text, not a frame after it.
                    className={cn("absolute inset-x-0 top-0 px-4 py-2.5", row.index === items.length - 1 && "pb-8.5")}
                    style={{ transform: `translateY(${row.start}px)` }}
                  >
                    <Row item={item} isLast={row.index === items.length - 1} {...rest} />
                  </div>
                )
              );
            })}
          </div>
        )}
      </div>
      {isAway && (
        <Button size="small" className="absolute bottom-3 left-1/2 -translate-x-1/2 shadow-md" onClick={toEnd}>
          <ArrowDown aria-hidden /> Newest
        </Button>
      )}
    </div>
  );
}

function Row({
  item,
  isLast,
  onBranch,
  ...rest
}: Omit<Props, "transcript" | "empty"> & { item: Item; isLast: boolean }) {
  if (item.kind === "user") {
    return <UserMessage message={item} onBranch={onBranch && ((text) => onBranch(item.seq - 1, text))} />;
  }
  return <TurnView turn={item} isLast={isLast} {...rest} />;
}
