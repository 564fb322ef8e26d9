import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { figureLink } from "@/components/facts";
import { Card, Page } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { pendingQuery } from "@/features/approvals/api";
import { deploymentsQuery } from "@/features/deployments/api";
import { runsQuery } from "@/features/runs/api";
import { RunRow } from "@/features/runs/run-row";
import { createSession, say } from "@/features/sessions/api";
import { workersQuery } from "@/features/settings/api";
import { FirstRun } from "@/features/setup/first-run";
import { budgetsQuery, todayQuery } from "@/features/usage/api";
import type { Answer } from "@/lib/api";
import { ago, count, counted, duration, money } from "@/lib/format";

export const Route = createFileRoute("/")({ component: Home });

function Home() {
  const agents = useQuery(agentsQuery);
  return (
    <Page title="Home" actions={<CopyCurl path="/v1/workers" />}>
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
  const workers = useQuery(workersQuery);
  const failed = useInfiniteQuery(runsQuery({ status: "failed" }));
  const latest = useInfiniteQuery(runsQuery({}));
  const queue = workers.data?.queue;
  const failures = firstPage(failed);
  return (
    <div className="space-y-5">
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        <Figure name="Running" value={queue && count(queue.running)} search={{ status: "running" }} />
        <Figure
          name="In the queue"
          value={queue && count(queue.queued + queue.scheduled)}
          more={queue && queue.scheduled > 0 ? `${count(queue.scheduled)} for later` : undefined}
          moreSearch={{ scheduled: true }}
          search={{ status: "queued" }}
        />
        <Figure
          name="Waiting"
          value={queue && count(queue.suspended)}
          more={queue && queue.for_budget > 0 ? `${count(queue.for_budget)} for money` : undefined}
          moreSearch={{ waits: "budget" }}
          search={{ status: "waiting" }}
        />
        <Figure
          name="Failed"
          value={failures && `${count(failures.data.length)}${failures.has_more ? "+" : ""}`}
          search={{ status: "failed" }}
        />
      </div>
      <div className="grid items-start gap-5 lg:grid-cols-3">
        <Card title="Latest runs" className="lg:col-span-2">
          <Shown of={{ data: firstPage(latest), error: latest.error, refetch: latest.refetch }} what="runs">
            {({ data }) =>
              data.length ? (
                <ul className="divide-y divide-line">
                  {data.slice(0, 10).map((run) => (
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
          <Waiting />
          <Spend />
          <Workers found={workers.data} error={workers.error} />
          <Broken />
        </div>
      </div>
    </div>
  );
}

function Waiting() {
  const pending = useQuery(pendingQuery);
  const number = pending.data?.data.length;
  return (
    <Card title="Approvals">
      <Link to="/approvals" className="block p-4 hover:bg-raised">
        {number ? (
          <>
            <span className="text-2xl font-semibold tabular-nums">{count(number)}</span>{" "}
            <span className="text-soft">waiting for a person</span>
          </>
        ) : (
          <span className="text-soft">{pending.data ? "Nobody waits for you." : "–"}</span>
        )}
      </Link>
    </Card>
  );
}

const MOST_BUDGETS = 3;

/** What was spent since midnight, and how far the budgets are used. */
function Spend() {
  const today = useQuery(todayQuery);
  const budgets = useQuery(budgetsQuery);
  const spent = today.data?.total;
  const since = `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;
  const limited = budgets.data?.data.filter((each) => each.limit_micros !== null && each.is_active) ?? [];
  return (
    <Card title="Today, in UTC">
      <Link to="/usage/calls" search={{ since }} className="block p-4 hover:bg-raised">
        <span className="block text-2xl font-semibold tabular-nums">
          {spent ? money(spent.cost_micros ?? (spent.calls ? null : 0)) : "–"}
        </span>
        <span className="block text-sm text-soft">
          {spent &&
            `${counted(spent.calls, "model call")} · ${counted(spent.input_tokens + spent.output_tokens, "token")}`}
        </span>
      </Link>
      {spent && spent.calls_of_unknown_cost > 0 && (
        <Link
          to="/usage/calls"
          search={{ since, is_priced: false }}
          className="block border-t border-line px-4 py-2 text-sm text-soft hover:bg-raised"
        >
          {counted(spent.calls_of_unknown_cost, "call")} of unknown price left out
        </Link>
      )}
      {limited.slice(0, MOST_BUDGETS).map((budget) => (
        <Link
          key={budget.id}
          to="/usage/budgets/$budget"
          params={{ budget: budget.id }}
          className="block border-t border-line px-4 py-3 hover:bg-raised"
        >
          <progress
            className="h-2 w-full accent-accent"
            aria-label="Budget"
            max={budget.limit_micros ?? 1}
            value={budget.state.spent_micros}
          />
          <span className="block text-sm text-soft tabular-nums">
            {money(budget.state.spent_micros)} of {money(budget.limit_micros)} this {budget.period}
          </span>
        </Link>
      ))}
    </Card>
  );
}

/** Who executes runs, and how long the oldest one has been waiting for them. */
function Workers({ found, error }: { found: Answer<"/v1/workers"> | undefined; error: Error | null }) {
  const alive = found?.data.filter((worker) => worker.is_alive) ?? [];
  const oldest = found?.queue.oldest_run_id;
  return (
    <Card
      title={`Workers${found ? ` (${alive.length})` : ""}`}
      actions={
        <Link to="/settings/health" className="text-sm text-accent">
          Health
        </Link>
      }
    >
      {error && !found && <p className="p-4 text-sm text-soft">{error.message}</p>}
      {found && alive.length === 0 && (
        <p className="p-4 text-bad">No worker is alive; nothing is executed until one starts.</p>
      )}
      <ul className="divide-y divide-line">
        {alive.map((worker) => (
          <li key={worker.id} className="flex items-center gap-3 px-4 py-2 text-sm">
            <span className="min-w-0 flex-1 truncate font-mono" title={`version ${worker.version}`}>
              {worker.name ?? worker.id.slice(-8)}
            </span>
            <Link to="/runs" search={{ worker: worker.id }} className="shrink-0 text-soft hover:text-ink">
              {counted(worker.running, "run")} · since {ago(worker.started_at)}
            </Link>
          </li>
        ))}
      </ul>
      {found && oldest && (
        <Link
          to="/runs/$run"
          params={{ run: oldest }}
          className="block border-t border-line px-4 py-2 text-sm text-warn hover:bg-raised"
        >
          The oldest run in the queue has waited {duration(found.queue.waiting_seconds * 1000)}.
        </Link>
      )}
    </Card>
  );
}

/** Only there when a deployment is not as it should be. */
function Broken() {
  const broken = firstPage(useInfiniteQuery(deploymentsQuery({ status: "error" })));
  if (!broken?.data.length) return null;
  return (
    <Card title="Deployments">
      <Link to="/fleet" search={{ status: "error" }} className="block p-4 hover:bg-raised">
        <span className="text-2xl font-semibold text-bad tabular-nums">{count(broken.data.length)}</span>{" "}
        <span className="text-soft">in error</span>
      </Link>
    </Card>
  );
}

interface Counted {
  status?: "running" | "queued" | "waiting" | "failed";
  scheduled?: boolean;
  waits?: "budget";
}

interface FigureProps {
  name: string;
  value: string | undefined;
  search: Counted;
  /** A part of the number, and the runs that it counts. */
  more?: string;
  moreSearch?: Counted;
}

/** A number that opens what it counts. */
function Figure({ name, value, search, more, moreSearch }: FigureProps) {
  return (
    <div className="relative rounded-xl border border-line bg-panel p-4 hover:bg-raised">
      <Link to="/runs" search={search} className="after:absolute after:inset-0 after:rounded-xl">
        <span className="block text-sm text-soft">{name}</span>
        <span className="text-2xl font-semibold tabular-nums">{value ?? "–"}</span>
      </Link>
      {more && (
        <Link to="/runs" search={moreSearch} className={`relative z-1 ml-2 text-sm text-soft ${figureLink}`}>
          {more}
        </Link>
      )}
    </div>
  );
}
