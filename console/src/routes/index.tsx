import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Card, Page } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { pendingQuery } from "@/features/approvals/api";
import { runsQuery } from "@/features/runs/api";
import { RunRow } from "@/features/runs/run-row";
import { createSession, say } from "@/features/sessions/api";
import { FirstRun } from "@/features/setup/first-run";
import { budgetsQuery, todayQuery } from "@/features/usage/api";
import { count, counted, money } from "@/lib/format";

export const Route = createFileRoute("/")({ component: Home });

function Home() {
  const agents = useQuery(agentsQuery);
  return (
    <Page title="Home">
      <Shown of={agents} what="agents">
        {({ data }) =>
          data.length ? <Overview names={new Map(data.map(({ id, name }) => [id, name]))} /> : <Beginning />
        }
      </Shown>
    </Page>
  );
}

function Beginning() {
  const navigate = useNavigate();
  const onReady = async (agent: string, question: string) => {
    const session = await createSession(agent);
    await say(session.id, question);
    await navigate({ to: "/chat/$session", params: { session: session.id } });
  };
  return (
    <FirstRun
      onReady={onReady}
      other={
        <Link to="/agents/new" className={buttonStyle({ look: "quiet" })}>
          Make an agent of my own
        </Link>
      }
    />
  );
}

const firstPage = <T,>(query: { data?: { pages: { data: T[]; has_more?: boolean }[] } }) => query.data?.pages[0];

function Overview({ names }: { names: Map<string, string> }) {
  const running = useInfiniteQuery(runsQuery({ status: "running" }));
  const queued = useInfiniteQuery(runsQuery({ status: "queued" }));
  const waiting = useInfiniteQuery(runsQuery({ status: "waiting" }));
  const failed = useInfiniteQuery(runsQuery({ status: "failed" }));
  const latest = useInfiniteQuery(runsQuery({}));
  const pending = useQuery(pendingQuery);
  const today = useQuery(todayQuery);
  const budgets = useQuery(budgetsQuery);
  const budget = budgets.data?.data.find((each) => each.limit_micros !== null && each.is_active);
  const number = (page: { data: unknown[]; has_more?: boolean } | undefined) =>
    page ? `${count(page.data.length)}${page.has_more ? "+" : ""}` : "–";
  const spent = today.data?.total;
  return (
    <div className="space-y-5">
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        <Figure name="Running" value={number(firstPage(running))} to="/runs" status="running" />
        <Figure name="In the queue" value={number(firstPage(queued))} to="/runs" status="queued" />
        <Figure name="Waiting" value={number(firstPage(waiting))} to="/runs" status="waiting" />
        <Figure name="Failed" value={number(firstPage(failed))} to="/runs" status="failed" />
      </div>
      <div className="grid gap-5 lg:grid-cols-3">
        <Card title="Latest runs" className="lg:col-span-2">
          <Shown of={{ data: firstPage(latest), error: latest.error, refetch: latest.refetch }} what="runs">
            {({ data }) =>
              data.length ? (
                <ul className="divide-y divide-line">
                  {data.slice(0, 8).map((run) => (
                    <RunRow key={run.id} run={run} agentName={names.get(run.agent_id ?? "")} />
                  ))}
                </ul>
              ) : (
                <div className="p-4">
                  <Empty title="Nothing has run yet">
                    <Link to="/chat">Ask an agent something.</Link>
                  </Empty>
                </div>
              )
            }
          </Shown>
        </Card>
        <div className="space-y-5">
          <Card title="Approvals">
            <Link to="/approvals" className="block p-4 hover:bg-raised">
              {pending.data?.data.length ? (
                <>
                  <span className="text-2xl font-semibold tabular-nums">{count(pending.data.data.length)}</span>{" "}
                  <span className="text-soft">waiting for a person</span>
                </>
              ) : (
                <span className="text-soft">{pending.data ? "Nobody waits for you." : "–"}</span>
              )}
            </Link>
          </Card>
          <Card title="Today, in UTC">
            <div className="p-4">
              <p className="text-2xl font-semibold tabular-nums">
                {spent ? money(spent.cost_micros ?? (spent.calls ? null : 0)) : "–"}
              </p>
              <p className="text-sm text-soft">
                {spent &&
                  `${counted(spent.calls, "model call")} · ${counted(spent.input_tokens + spent.output_tokens, "token")}`}
                {spent &&
                  spent.calls_of_unknown_cost > 0 &&
                  ` · ${count(spent.calls_of_unknown_cost)} of unknown price`}
              </p>
              {budget?.limit_micros != null && (
                <div className="mt-3">
                  <progress
                    className="h-2 w-full accent-accent"
                    aria-label="Budget"
                    max={budget.limit_micros}
                    value={budget.state.spent_micros}
                  />
                  <p className="text-sm text-soft">
                    {money(budget.state.spent_micros)} of {money(budget.limit_micros)} this {budget.period}
                  </p>
                </div>
              )}
            </div>
          </Card>
        </div>
      </div>
    </div>
  );
}

interface FigureProps {
  name: string;
  value: ReactNode;
  to: "/runs";
  status: "running" | "queued" | "waiting" | "failed";
}

/** A number that opens what it counts. */
function Figure({ name, value, to, status }: FigureProps) {
  return (
    <Link to={to} search={{ status }} className="rounded-xl border border-line bg-panel p-4 hover:bg-raised">
      <span className="block text-sm text-soft">{name}</span>
      <span className="block text-2xl font-semibold tabular-nums">{value}</span>
    </Link>
  );
}
