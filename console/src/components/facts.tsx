import type { ReactNode } from "react";

/** Names and values; a value that is nothing is left out. */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1.5 text-sm">
      {of
        .filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false)
        .map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="min-w-0 break-words tabular-nums">{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** A figure that opens what it counts: it looks like the text around it, with a line below. */
export const figureLink = "underline decoration-line underline-offset-4 hover:decoration-current hover:text-ink";

export const linkStyle = "text-accent underline underline-offset-2";
