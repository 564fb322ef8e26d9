import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { Card, Page } from "@/components/page";
import { Empty, Failure, Loading } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { type RunStatus, runsQuery } from "@/features/runs/api";
import { RunRow } from "@/features/runs/run-row";
import { cn } from "@/lib/cn";

const STATES = ["running", "queued", "waiting", "completed", "failed", "cancelled"] as const satisfies RunStatus[];

interface Search {
  status?: RunStatus;
  agent?: string;
}

export const Route = createFileRoute("/runs/")({
  component: Runs,
  validateSearch: ({ status, agent }: Record<string, unknown>): Search => ({
    status: STATES.find((each) => each === status),
    agent: typeof agent === "string" ? agent : undefined,
  }),
});

function Runs() {
  const { status, agent } = Route.useSearch();
  const runs = useInfiniteQuery(runsQuery({ status, agent_id: agent }));
  const agents = useQuery(agentsQuery);
  const names = new Map(agents.data?.data.map(({ id, name }) => [id, name]));
  const found = runs.data?.pages.flatMap((page) => page.data);
  return (
    <Page
      title="Runs"
      lead={agent ? `of ${names.get(agent) ?? "one agent"}` : "Everything that agents and background work did."}
      actions={<CopyCurl path={`/v1/runs${status ? `?status=${status}` : ""}`} />}
    >
      <nav aria-label="States" className="mb-4 flex gap-1.5 overflow-x-auto pb-1">
        {[undefined, ...STATES].map((each) => (
          <Link
            key={each ?? "all"}
            to="/runs"
            search={{ status: each, agent }}
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
      {runs.error && !found && <Failure error={runs.error} onRetry={() => void runs.refetch()} />}
      {runs.isLoading && <Loading what="runs" />}
      {found?.length === 0 && <Empty title={status ? `No run is ${status}` : "Nothing has run yet"} />}
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
