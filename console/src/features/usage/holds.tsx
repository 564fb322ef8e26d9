import type { ReactNode } from "react";
import { Status } from "@/components/status";
import { Table } from "@/components/table";
import { ago, count, money } from "@/lib/format";
import type { Hold } from "./api";

export function Holds({
  holds,
  link,
}: {
  holds: Hold[];
  link: (run: string, children: ReactNode, at: { step: number | null }) => ReactNode;
}) {
  if (!holds.length) return <p className="p-4 text-soft">Nothing is held: no limited call is under way.</p>;
  return (
    <Table
      name="Holds"
      rows={holds}
      keyOf={(hold) => hold.id}
      columns={[
        {
          name: "For",
          show: (hold) =>
            hold.run_id
              ? link(hold.run_id, `run …${hold.run_id.slice(-8)}${hold.step ? `, call ${hold.step}` : ""}`, hold)
              : "a call without a run",
        },
        { name: "Model", show: (hold) => hold.model },
        { name: "Money", isNumber: true, show: (hold) => money(hold.micros) },
        { name: "Tokens", isNumber: true, show: (hold) => count(hold.tokens) },
        { name: "Since", isExtra: true, show: (hold) => ago(hold.created_at) },
        { name: "State", show: (hold) => <Status value={hold.is_open ? "held" : "booked"} /> },
      ]}
    />
  );
}
