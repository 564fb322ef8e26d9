import type { ReactNode } from "react";
import { PlaceLink } from "@/components/place-link";
import { cn } from "@/lib/cn";
import type { Limit } from "./limits";

/** What is spent and held of a limit. */
export function Meter({ limit, link }: { limit: Limit; link?: (children: ReactNode) => ReactNode }) {
  const share = (value: number) => (limit.limit > 0 ? Math.min(100, (value / limit.limit) * 100) : 100);
  const isFull = limit.spent + limit.reserved >= limit.limit;
  return (
    <div>
      <p className="flex justify-between gap-3 text-sm">
        <span>{limit.name}</span>
        <span className="text-soft tabular-nums">
          {link ? link(limit.show(limit.spent)) : limit.show(limit.spent)} of {limit.show(limit.limit)}
          {limit.reserved > 0 && " · "}
          {limit.reserved > 0 &&
            (link ? (
              <PlaceLink place="held">{limit.show(limit.reserved)} held</PlaceLink>
            ) : (
              `${limit.show(limit.reserved)} held`
            ))}
        </span>
      </p>
      {/* biome-ignore lint/a11y/useSemanticElements: a <meter> cannot show what is held beside what is spent */}
      <div
        role="meter"
        aria-label={`${limit.name} spent`}
        aria-valuemin={0}
        aria-valuemax={limit.limit}
        aria-valuenow={Math.min(limit.spent, limit.limit)}
        aria-valuetext={`${limit.show(limit.spent)} of ${limit.show(limit.limit)}`}
        className="mt-1 flex h-2 overflow-hidden rounded-full bg-raised"
      >
        <span className={cn("h-2", isFull ? "bg-bad" : "bg-accent")} style={{ width: `${share(limit.spent)}%` }} />
        <span className="h-2 bg-lane-wait" style={{ width: `${share(limit.reserved)}%` }} />
      </div>
    </div>
  );
}
