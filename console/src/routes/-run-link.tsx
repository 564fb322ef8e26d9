import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

/** Which part of a run: an event, a model call by its number, or a tool's call. */
export interface At {
  event?: number;
  step?: number | null;
  call?: string | null;
}

/** A run's address, at one of its events when that is known. */
export function runLink(run: string, children: ReactNode, at: At | number = {}) {
  const { event, step, call } = typeof at === "number" ? { event: at } : at;
  return (
    <Link
      to="/runs/$run"
      params={{ run }}
      search={call ? { call } : { event, step: step ?? undefined }}
      className="text-accent underline underline-offset-2"
    >
      {children}
    </Link>
  );
}
