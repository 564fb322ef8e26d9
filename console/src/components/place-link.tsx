import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { figureLink } from "./facts";

/** A figure that opens what it counts on the same page; `place` is the id of a card. */
export const PlaceLink = ({ place, children }: { place: string; children: ReactNode }) => (
  <Link to="." search hash={place} replace className={figureLink}>
    {children}
  </Link>
);
