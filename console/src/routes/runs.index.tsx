import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Chips } from "@/components/chips";
import { CopyCurl, queryOf } from "@/components/copy-curl";
import { Card, Page } from "@/components/page";
import { Empty, Failure, Loading } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { type RunFilter, type RunStatus, runsQuery } from "@/features/runs/api";
import { RunRow } from "@/features/runs/run-row";
import { cn } from "@/lib/cn";

const STATES = ["running", "queued", "waiting", "completed", "failed", "cancelled"] as const satisfies RunStatus[];

const WAITS = ["approval", "run", "budget", "time"] as const;

interface Search {
  status?: RunStatus;
  agent?: string;
  session?: string;
  root?: string;
  waits?: (typeof WAITS)[number];
  worker?: string;
  scheduled?: boolean;
}

const text = (value: unknown) => (typeof value === "string" && value ? value : undefined);

export const Route = createFileRoute("/runs/")({
  component: Runs,
  validateSearch: (search: Record<string, unknown>): Search => ({
    status: STATES.find((each) => each === search.status),
    agent: text(search.agent),
    session: text(search.session),
    root: text(search.root),
    waits: WAITS.find((each) => each === search.waits),
    worker: text(search.worker),
    scheduled: typeof search.scheduled === "boolean" ? search.scheduled : undefined,
  }),
});

function Runs() {
  const search = Route.useSearch();
  const { status, agent, session, root, waits, worker, scheduled } = search;
  const filter: RunFilter = {
    status,
    agent_id: agent,
    session_id: session,
    root_run_id: root,
    waiting_for: waits,
    worker_id: worker,
    is_scheduled: scheduled,
  };
  const runs = useInfiniteQuery(runsQuery(filter));
  const agents = useQuery(agentsQuery);
  const names = new Map(agents.data?.data.map(({ id, name }) => [id, name]));
  const narrowed: [keyof Search, string | undefined][] = [
    ["agent", agent && (names.get(agent) ?? "one agent")],
    ["session", session && `conversation …${session.slice(-8)}`],
    ["root", root && `run …${root.slice(-8)} and what works for it`],
    ["waits", waits && `waiting for ${waits}`],
    ["worker", worker && `executed by worker …${worker.slice(-8)}`],
    ["scheduled", scheduled === undefined ? undefined : scheduled ? "queued for later" : "queued and due"],
  ];
  const asked = Object.entries(filter).filter(([, value]) => value !== undefined);
  const found = runs.data?.pages.flatMap((page) => page.data);
  return (
    <Page
      title="Runs"
      lead="Everything that agents and background work did."
      actions={<CopyCurl path={`/v1/runs${queryOf(asked)}`} />}
    >
      <nav aria-label="States" className="mb-4 flex gap-1.5 overflow-x-auto pb-1">
        {[undefined, ...STATES].map((each) => (
          <Link
            key={each ?? "all"}
            to="/runs"
            search={{ ...search, status: each }}
            activeOptions={{ exact: true, includeSearch: true }}
            className={cn(
              buttonStyle({ size: "small", look: "quiet" }),
              "aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent",
            )}
          >
            {each ?? "all"}
          </Link>
        ))}
      </nav>
      <Chips
        className="mb-4"
        chips={narrowed.flatMap(([name, told]) => (told ? [{ name, told }] : []))}
        link={(name, children, given) => (
          <Link to="/runs" search={{ ...search, [name]: undefined }} {...given}>
            {children}
          </Link>
        )}
      />
      {runs.error && !found && <Failure error={runs.error} onRetry={() => void runs.refetch()} />}
      {runs.isLoading && <Loading what="runs" />}
      {found?.length === 0 && <Empty title={asked.length ? "No run is like that" : "Nothing has run yet"} />}
      {found && found.length > 0 && (
        <Card>
          <ul className="divide-y divide-line">
            {found.map((run) => (
              <RunRow key={run.id} run={run} agentName={names.get(run.agent_id ?? "")} />
            ))}
          </ul>
        </Card>
      )}
      {runs.hasNextPage && (
        <div className="mt-4 text-center">
          <Button disabled={runs.isFetchingNextPage} onClick={() => void runs.fetchNextPage()}>
            Older runs
          </Button>
        </div>
      )}
    </Page>
  );
}
