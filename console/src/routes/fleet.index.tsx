import { useInfiniteQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Card, Page } from "@/components/page";
import { Empty, Failure, Loading } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { deploymentsQuery, type Status } from "@/features/deployments/api";
import { DeploymentRow } from "@/features/deployments/row";
import { cn } from "@/lib/cn";
import { useHidden } from "@/lib/undo";

const STATES: Status[] = ["running", "deploying", "error", "stopped"];

interface Search {
  status?: Status;
  region?: string;
}

export const Route = createFileRoute("/fleet/")({
  component: Deployments,
  validateSearch: ({ status, region }: Record<string, unknown>): Search => ({
    status: STATES.find((each) => each === status),
    region: typeof region === "string" ? region : undefined,
  }),
});

function Deployments() {
  const { status, region } = Route.useSearch();
  const deployments = useInfiniteQuery(deploymentsQuery({ status, region }));
  const hidden = useHidden();
  const found = deployments.data?.pages.flatMap((page) => page.data).filter(({ id }) => !hidden.has(id));
  const making = (
    <Link to="/fleet/new" className={buttonStyle({ look: "main" })}>
      <Plus aria-hidden /> Deploy
    </Link>
  );
  return (
    <Page
      title="Deployments"
      lead={region ? `in ${region}` : "Programs of yours that are kept running."}
      actions={
        <>
          <CopyCurl path={`/v1/deployments${status ? `?status=${status}` : ""}`} />
          {making}
        </>
      }
    >
      <nav aria-label="States" className="mb-4 flex gap-1.5 overflow-x-auto pb-1">
        {[undefined, ...STATES].map((each) => (
          <Link
            key={each ?? "all"}
            to="/fleet"
            search={{ status: each, region }}
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
      {deployments.error && !found && <Failure error={deployments.error} onRetry={() => void deployments.refetch()} />}
      {deployments.isLoading && <Loading what="deployments" />}
      {found?.length === 0 && (
        <Empty
          title={status ? `No deployment is ${status}` : "No deployments yet"}
          action={status ? undefined : making}
        >
          {status
            ? undefined
            : "Upload a program or name its address; it runs in a sandbox behind an address of its own."}
        </Empty>
      )}
      {found && found.length > 0 && (
        <Card>
          <ul className="divide-y divide-line">
            {found.map((deployment) => (
              <DeploymentRow key={deployment.id} deployment={deployment} />
            ))}
          </ul>
        </Card>
      )}
      {deployments.hasNextPage && (
        <div className="mt-4 text-center">
          <Button disabled={deployments.isFetchingNextPage} onClick={() => void deployments.fetchNextPage()}>
            Older ones
          </Button>
        </div>
      )}
    </Page>
  );
}
