import type { ReactNode } from "react";
import { cn } from "@/lib/cn";
import { buttonStyle } from "./ui/button";

/** A link among others of which one is the page's current view; the router marks it with `aria-current`. */
export const pillStyle = cn(
  buttonStyle({ size: "small", look: "quiet" }),
  "aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent",
);

/** A view is the current one when the address has what its link says, what it leaves away included. */
export const pillOptions = { includeSearch: true, explicitUndefined: true } as const;

/** Views of one screen side by side. */
export function Pills({ name, className, children }: { name: string; className?: string; children: ReactNode }) {
  return (
    <nav aria-label={name} className={cn("mb-4 flex flex-wrap gap-1.5", className)}>
      {children}
    </nav>
  );
}
