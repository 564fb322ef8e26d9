import { Status } from "@/components/status";
import type { Budget } from "@/features/usage/api";

export function subjectOf(budget: Budget, names: { agent: (id: string) => string; key: (id: string) => string }) {
  if (budget.scope === "workspace") return "the whole workspace";
  if (budget.scope === "agent") return names.agent(budget.subject_id);
  if (budget.scope === "key") return names.key(budget.subject_id);
  return `${budget.scope === "session" ? "conversation" : budget.scope} …${budget.subject_id.slice(-12)}`;
}

export function BudgetHead({ budget, subject }: { budget: Budget; subject: string }) {
  const state = !budget.is_active ? "paused" : budget.state.is_exceeded ? "exceeded" : "active";
  return (
    <span className="flex items-start justify-between gap-3">
      <span className="min-w-0">
        <span className="block truncate font-semibold">{budget.name || subject}</span>
        <span className="block truncate text-sm text-soft">
          {subject} · {budget.period === "total" ? "in total" : `each ${budget.period}`}
        </span>
      </span>
      <Status
        value={state}
        className={state === "exceeded" ? "bg-bad-soft text-bad" : state === "active" ? "text-good" : ""}
      />
    </span>
  );
}
