import { cn } from "@/lib/cn";
import { duration } from "@/lib/format";
import { barsOf, type Span } from "./timeline";

const LANES = [
  ["model", "Model", "bg-lane-model"],
  ["tool", "Tools", "bg-lane-tool"],
  ["wait", "Waiting", "bg-lane-wait"],
] as const;

interface Props {
  spans: Span[];
  total: number;
  shown: number | undefined;
  onShow: (seq: number) => void;
}

export function TimelineView({ spans, total, shown, onShow }: Props) {
  return (
    <div className="space-y-2 overflow-x-auto p-4">
      {LANES.map(([lane, title, colour]) => {
        const bars = barsOf(
          spans.filter((span) => span.lane === lane),
          total,
          shown,
        );
        if (!bars.length) return null;
        return (
          <div key={lane} className="flex items-center gap-3">
            <span className="w-16 shrink-0 text-sm text-soft">{title}</span>
            <div className="relative h-7 min-w-0 flex-1 rounded bg-raised">
              {bars.map(({ span, more }) => (
                <button
                  key={span.seq}
                  type="button"
                  aria-label={`${span.name}, ${duration(span.to - span.from)}${span.failed ? ", failed" : ""}${more ? `, and ${more} more` : ""}`}
                  title={`${span.name} · ${duration(span.to - span.from)}${more ? ` · and ${more} more` : ""}`}
                  className={cn(
                    "absolute inset-y-0.5 min-w-1.5 rounded-sm",
                    span.failed ? "bg-bad" : colour,
                    span.seq === shown && "outline-2 outline-ink",
                  )}
                  style={{
                    left: `min(${(span.from / total) * 100}%, 100% - 6px)`,
                    width: `${((span.to - span.from) / total) * 100}%`,
                  }}
                  onClick={() => onShow(span.seq)}
                />
              ))}
            </div>
          </div>
        );
      })}
      <div className="flex justify-between pl-19 text-sm text-soft tabular-nums">
        <span>0</span>
        <span>{duration(total)}</span>
      </div>
    </div>
  );
}
