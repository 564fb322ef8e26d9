import type { ReactNode } from "react";
import { Status } from "@/components/status";
import { Table } from "@/components/table";
import { moment } from "@/lib/format";
import type { Firing } from "./api";

/** What came of each time that there was a reason to fire. */
export function Firings({
  firings,
  link,
}: {
  firings: Firing[];
  link: (run: string, children: ReactNode) => ReactNode;
}) {
  return (
    <Table
      name="Firings"
      rows={firings}
      keyOf={(firing) => firing.id}
      columns={[
        {
          name: "Fired",
          show: (firing) => (
            <span className="whitespace-nowrap">
              {firing.run_id ? link(firing.run_id, moment(firing.fired_at)) : moment(firing.fired_at)}
            </span>
          ),
        },
        { name: "Cause", show: (firing) => firing.cause },
        { name: "Outcome", show: (firing) => <Status value={firing.outcome} /> },
        { name: "Run", show: (firing) => (firing.run_status ? <Status value={firing.run_status} /> : "–") },
        {
          name: "Note",
          isExtra: true,
          show: (firing) =>
            [firing.reason, firing.missed > 0 ? `${firing.missed} more times had passed` : ""]
              .filter(Boolean)
              .join("; "),
        },
      ]}
    />
  );
}
