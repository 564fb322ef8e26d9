import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft, Pause, Play, Trash2 } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Details } from "@/components/details";
import { figureLink } from "@/components/facts";
import { Loaded } from "@/components/loaded";
import { Card } from "@/components/page";
import { PlaceLink } from "@/components/place-link";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import {
  type Budget,
  budgetQuery,
  changeBudget,
  deleteBudget,
  holdsQuery,
  type Only,
  waitingQuery,
} from "@/features/usage/api";
import { BudgetForm } from "@/features/usage/budget-form";
import { Holds } from "@/features/usage/holds";
import { limitsOf } from "@/features/usage/limits";
import { Meter } from "@/features/usage/meter";
import { Waiting } from "@/features/usage/waiting";
import { count, moment, money } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { BudgetHead, subjectOf } from "./-budget-head";
import { useNames } from "./-names";
import { runLink } from "./-run-link";

export const Route = createFileRoute("/usage/budgets/$budget")({ component: BudgetPage });

function BudgetPage() {
  const { budget: id } = Route.useParams();
  const budget = useQuery(budgetQuery(id));
  return (
    <Loaded of={budget} what="the budget" back={{ to: "/usage/budgets", name: "All budgets" }}>
      {(found) => <Found key={found.id} budget={found} />}
    </Loaded>
  );
}

/** The calls that its window counts. */
function behind(budget: Budget): Only {
  const since = budget.state.window_start ?? budget.starts_at ?? budget.created_at;
  switch (budget.scope) {
    case "workspace":
      return { since };
    case "agent":
      return { since, agent_id: budget.subject_id };
    case "key":
      return { since, key_id: budget.subject_id };
    case "run":
      return { since, root_run_id: budget.subject_id };
    case "session":
      return { since, session_id: budget.subject_id };
    case "project":
      return { since, project_id: budget.subject_id };
  }
}

function Found({ budget }: { budget: Budget }) {
  const names = useNames();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const waiting = useQuery(waitingQuery(budget.id));
  const holds = useQuery(holdsQuery(budget.id));
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["budgets"] });
  const pausing = useMutation({
    mutationFn: () => changeBudget(budget.id, { is_active: !budget.is_active }),
    onSuccess: () =>
      reversible(budget.is_active ? "It limits nothing while it is paused." : "It is in force.", () =>
        changeBudget(budget.id, { is_active: budget.is_active }).then(onSettled),
      ),
    onError,
    onSettled,
  });
  const remove = useRemoval(["budgets"]);
  const onRemove = () => {
    remove(budget.id, `${budget.name || "The budget"} is deleted, with what it has counted. Usage records stay.`, () =>
      deleteBudget(budget.id),
    );
    void navigate({ to: "/usage/budgets" });
  };
  const { state } = budget;
  const calls = behind(budget);
  const subject = subjectOf(budget, names);
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <Link to="/usage/budgets" className="flex items-center gap-1.5 text-sm text-accent">
          <ArrowLeft className="size-4" aria-hidden /> All budgets
        </Link>
        <div className="flex-1" />
        <Button disabled={pausing.isPending} onClick={() => pausing.mutate()}>
          {budget.is_active ? <Pause aria-hidden /> : <Play aria-hidden />}{" "}
          {budget.is_active ? "Pause" : "Put in force"}
        </Button>
        <Button onClick={onRemove} look="danger">
          <Trash2 aria-hidden /> Delete
        </Button>
        <CopyCurl path={`/v1/budgets/${budget.id}`} />
      </div>
      <div className="grid gap-5 lg:grid-cols-2">
        <Card>
          <div className="space-y-4 p-4">
            <h2>
              <BudgetHead budget={budget} subject={subject} />
            </h2>
            {limitsOf(budget).map((limit) => (
              <Meter
                key={limit.unit}
                limit={limit}
                link={(children) => (
                  <Link to="/usage/calls" search={calls} className={figureLink}>
                    {children}
                  </Link>
                )}
              />
            ))}
            <Link
              to="/usage/calls"
              search={calls}
              className="inline-block text-sm text-accent underline underline-offset-2"
            >
              The runs behind these numbers
            </Link>
          </div>
          <Details
            of={[
              [
                "Window",
                state.window_start
                  ? `${moment(state.window_start)} to ${state.window_end ? moment(state.window_end) : "no end"}`
                  : "since it was made",
              ],
              [
                "Refused calls",
                `${count(state.refused_calls)}${state.refused_at ? `, the last ${moment(state.refused_at)}` : ""}`,
              ],
              ["Warns at", budget.warn_at_percent.map((percent) => `${percent} %`).join(", ") || "never"],
              ["Warned", state.warned_percent === null ? "no" : `at ${state.warned_percent} %`],
              [
                "Booked without an answer",
                <PlaceLink key="booked" place="held">
                  {money(state.unconfirmed_micros)}
                </PlaceLink>,
              ],
              ["Made", moment(budget.created_at)],
            ]}
          />
        </Card>
        <Card title="Raise or lower">
          <div className="p-4">
            <BudgetForm
              key={budget.updated_at}
              budget={budget}
              agents={names.agents}
              keys={names.keys}
              onDone={() => {}}
            />
          </div>
        </Card>
      </div>
      <Card title="Runs that wait for it">
        <Shown of={waiting} what="waiting runs">
          {({ data }) =>
            data.length ? (
              <Waiting
                suspensions={data}
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
              />
            ) : (
              <p className="p-4 text-soft">
                No run waits for it. One without room would; raising the budget lets it go on.
              </p>
            )
          }
        </Shown>
      </Card>
      <Card id="held" title="Held for calls under way" actions={<CopyCurl path={`/v1/budgets/${budget.id}/holds`} />}>
        <Shown of={holds} what="holds">
          {({ data }) => <Holds holds={data} link={runLink} />}
        </Shown>
      </Card>
    </div>
  );
}
