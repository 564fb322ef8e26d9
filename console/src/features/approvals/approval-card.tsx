import type { ReactNode } from "react";
import { Code } from "@/components/code";
import { Card } from "@/components/page";
import { Status } from "@/components/status";
import { ago, moment, pretty } from "@/lib/format";
import type { Approval } from "./api";
import { Decide } from "./decide";

const EFFECTS: Record<string, string> = {
  read: "only reads",
  idempotent: "may be repeated without harm",
  once: "must not happen twice",
};

export function ApprovalCard({ approval, link }: { approval: Approval; link: ReactNode }) {
  // A step that only asks calls nothing: there are no arguments to change, and nothing to allow for good.
  const isStep = approval.run_kind === "workflow" && approval.tool === "wait_approval";
  return (
    <Card>
      <div className="space-y-3 p-4">
        <div className="flex flex-wrap items-center gap-2">
          <h2 className="font-mono font-semibold break-all">{approval.tool}</h2>
          <Status value={approval.status} />
          <span className="text-sm text-soft">{ago(approval.created_at)}</span>
        </div>
        <p className="text-sm text-soft">
          {approval.agent_name ?? (isStep ? "A workflow" : "A run without an agent")} asks.{" "}
          {approval.reason && `${approval.reason.replaceAll("`", "“").replaceAll(/“([^“]*)“/g, "“$1”")} `}
          {!isStep && EFFECTS[approval.effect] && `The call ${EFFECTS[approval.effect]}.`}
          {approval.expires_at &&
            approval.status === "pending" &&
            ` Counts as denied at ${moment(approval.expires_at)}.`}
        </p>
        {!isStep && <Code name="Arguments" isRepeated text={pretty(approval.edited_arguments ?? approval.arguments)} />}
        {approval.status === "pending" ? (
          <Decide
            id={approval.id}
            tool={approval.tool}
            given={isStep ? undefined : approval.arguments}
            isOnce={isStep}
          />
        ) : (
          <p className="text-sm text-soft">
            {approval.decided_by && `By ${approval.decided_by}. `}
            {approval.note && `“${approval.note}”`}
          </p>
        )}
        {link}
      </div>
    </Card>
  );
}
