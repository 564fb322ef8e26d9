import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Modal } from "@/components/modal";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { allBudgetsQuery, waitingQuery } from "@/features/usage/api";
import { BudgetForm } from "@/features/usage/budget-form";
import { limitsOf } from "@/features/usage/limits";
import { Meter } from "@/features/usage/meter";
import { Waiting } from "@/features/usage/waiting";
import { useHidden } from "@/lib/undo";
import { BudgetHead, subjectOf } from "./-budget-head";
import { useNames } from "./-names";

export const Route = createFileRoute("/usage/budgets/")({
  component: Budgets,
  validateSearch: ({ make }: Record<string, unknown>): { make?: true } => (make === true ? { make } : {}),
});

function Budgets() {
  const { make } = Route.useSearch();
  const navigate = Route.useNavigate();
  const names = useNames();
  const budgets = useQuery(allBudgetsQuery);
  const hidden = useHidden();
  const waiting = useQuery(waitingQuery());
  const making = (
    <Link to="/usage/budgets" search={{ make: true }} className={buttonStyle({ look: "main" })}>
      <Plus aria-hidden /> New budget
    </Link>
  );
  return (
    <div className="space-y-5">
      <div className="flex justify-end gap-2">
        <CopyCurl path="/v1/budgets" />
        {making}
      </div>
      {waiting.data && waiting.data.data.length > 0 && (
        <Card title="Waiting for money or room">
          <Waiting
            suspensions={waiting.data.data}
            agentName={names.agent}
            link={({ id, seq }, children) => (
              <Link
                to="/runs/$run"
                params={{ run: id }}
                search={{ event: seq }}
                className="font-medium text-accent underline underline-offset-2"
              >
                {children}
              </Link>
            )}
            budgetLink={(budget) => (
              <Link to="/usage/budgets/$budget" params={{ budget }} className={buttonStyle({ size: "small" })}>
                Raise its budget
              </Link>
            )}
          />
        </Card>
      )}
      <Shown of={budgets} what="budgets">
        {({ data: all }) => {
          const data = all.filter(({ id }) => !hidden.has(id));
          return data.length ? (
            <ul className="grid grid-cols-1 gap-3 md:grid-cols-2">
              {data.map((budget) => (
                <li key={budget.id}>
                  <Link
                    to="/usage/budgets/$budget"
                    params={{ budget: budget.id }}
                    className="block h-full space-y-3 rounded-xl border border-line bg-panel p-4 hover:bg-raised"
                  >
                    <BudgetHead budget={budget} subject={subjectOf(budget, names)} />
                    {limitsOf(budget).map((limit) => (
                      <Meter key={limit.unit} limit={limit} />
                    ))}
                  </Link>
                </li>
              ))}
            </ul>
          ) : (
            <Empty title="No budgets yet" action={making}>
              A budget holds before a call is made. A run without room waits, and goes on when you raise it.
            </Empty>
          );
        }}
      </Shown>
      <Modal title="New budget" isOpen={make === true} onClose={() => void navigate({ search: {} })}>
        <BudgetForm
          agents={names.agents}
          keys={names.keys.filter((key) => !key.revoked_at)}
          onDone={(budget) =>
            void navigate({ to: "/usage/budgets/$budget", params: { budget: budget.id }, search: {} })
          }
        />
      </Modal>
    </div>
  );
}
