import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

export interface Column<T> {
  name: string;
  /** Numbers stand at the right. */
  isNumber?: boolean;
  /** Left away on a small screen. */
  isExtra?: boolean;
  show: (row: T) => ReactNode;
}

interface Props<T> {
  name: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  keyOf: (row: T) => string;
  isMarked?: (row: T) => boolean;
}

/** A table that scrolls by itself when it is wider than the screen. `relative`, or text for screen readers only would
 * widen the page. */
export function Table<T>({ name, rows, columns, keyOf, isMarked }: Props<T>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section tabIndex={0} aria-label={name} className="relative overflow-x-auto rounded-b-xl">
      <table className="w-full text-sm">
        <thead>
          <tr className="border-b border-line text-left text-soft">
            {columns.map((column) => (
              <th key={column.name} scope="col" className={cn("px-4 py-2 font-medium whitespace-nowrap", side(column))}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {rows.map((row) => (
            <tr key={keyOf(row)} className={cn("hover:bg-raised", isMarked?.(row) && "bg-accent-soft")}>
              {columns.map((column) => (
                <td key={column.name} className={cn("px-4 py-2 align-middle", side(column))}>
                  {column.show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const side = ({ isNumber, isExtra }: Column<never>) =>
  cn(isNumber && "text-right tabular-nums whitespace-nowrap", isExtra && "hidden md:table-cell");
