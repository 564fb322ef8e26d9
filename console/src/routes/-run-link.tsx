import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

/** A run's address, at one of its events when that is known. */
export function runLink(run: string, children: ReactNode, event?: number) {
  return (
    <Link
      to="/runs/$run"
      params={{ run }}
      search={event ? { event } : {}}
      className="text-accent underline underline-offset-2"
    >
      {children}
    </Link>
  );
}
