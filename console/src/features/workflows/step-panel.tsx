import type { ReactNode } from "react";
import { Code } from "@/components/code";
import { Details } from "@/components/details";
import { Status } from "@/components/status";
import { duration, moment, pretty } from "@/lib/format";
import type { Step } from "./api";
import type { StepDefinition } from "./layout";

interface Props {
  definition: StepDefinition | undefined;
  step: Step | undefined;
  runLink: (run: string, children: ReactNode) => ReactNode;
  approvalLink: (children: ReactNode) => ReactNode;
}

/** One step: what was written, how it went, what came of it. */
export function StepPanel({ definition, step, runLink, approvalLink }: Props) {
  const items = step?.items ?? [];
  return (
    <div className="space-y-3">
      {step && (
        <Details
          of={[
            ["State", <Status key="state" value={step.status} />],
            ["Kind", step.kind],
            ["Run", step.run_id ? runLink(step.run_id, "Open its run") : "it began none"],
            ...(step.approval_id ? [["Approval", approvalLink("Decide or see it")] as const] : []),
            ["Tries", String(step.attempts)],
            ["Began", step.started_at ? moment(step.started_at) : "not yet"],
            ["Took", step.duration_seconds === null ? "–" : duration(step.duration_seconds * 1000)],
            ...(step.waiting_for
              ? [["Waits for", `${step.waiting_for}${step.wake_at ? ` until ${moment(step.wake_at)}` : ""}`] as const]
              : []),
            ...(step.is_compensated ? [["Undone", "yes"] as const] : []),
          ]}
        />
      )}
      <div className="space-y-3 px-4 pb-4">
        {step?.error && (
          <p className="rounded-lg bg-bad-soft px-3 py-2 text-sm break-words text-bad">{step.error.message}</p>
        )}
        {step?.status === "completed" && (
          <div>
            <h3 className="mb-1 text-sm font-medium">Output</h3>
            <Code name="Output" text={pretty(step.output)} />
          </div>
        )}
        {items.length > 0 && (
          <div>
            <h3 className="mb-1 text-sm font-medium">Items</h3>
            <ul className="divide-y divide-line rounded-lg border border-line text-sm">
              {items.map((item) => (
                <li key={item.id} className="flex items-center justify-between gap-3 px-3 py-2">
                  <span className="min-w-0 truncate">{item.run_id ? runLink(item.run_id, item.id) : item.id}</span>
                  <Status value={item.status} />
                </li>
              ))}
            </ul>
          </div>
        )}
        {definition && (
          <div>
            <h3 className="mb-1 text-sm font-medium">What it is given</h3>
            <Code name="Definition of the step" text={pretty(definition)} />
          </div>
        )}
      </div>
    </div>
  );
}
