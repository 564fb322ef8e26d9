import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Card, Page } from "@/components/page";
import { Empty, Failure, Loading } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { backendQuery, sandboxesQuery, usageQuery } from "@/features/sandboxes/api";
import { SandboxRow } from "@/features/sandboxes/sandbox-row";

export const Route = createFileRoute("/sandboxes/")({ component: Sandboxes });

function Sandboxes() {
  const sandboxes = useInfiniteQuery(sandboxesQuery);
  const usage = useQuery(usageQuery);
  const used = new Map(usage.data?.data.map((each) => [each.group, each]));
  const found = sandboxes.data?.pages.flatMap((page) => page.data);
  const making = (
    <Link to="/sandboxes/new" className={buttonStyle({ look: "main" })}>
      <Plus aria-hidden /> New sandbox
    </Link>
  );
  return (
    <Page
      title="Sandboxes"
      lead="Where code runs, apart from everything else."
      actions={
        <>
          <CopyCurl path="/v1/sandboxes" />
          {making}
        </>
      }
    >
      <Backend />
      {sandboxes.error && !found && <Failure error={sandboxes.error} onRetry={() => void sandboxes.refetch()} />}
      {sandboxes.isLoading && <Loading what="sandboxes" />}
      {found?.length === 0 && (
        <Empty title="No sandbox yet" action={making}>
          Agents that run code get one by themselves. You can start one to look around.
        </Empty>
      )}
      {found && found.length > 0 && (
        <Card>
          <ul className="divide-y divide-line">
            {found.map((sandbox) => (
              <SandboxRow key={sandbox.id} sandbox={sandbox} used={used.get(sandbox.id)} />
            ))}
          </ul>
        </Card>
      )}
      {sandboxes.hasNextPage && (
        <div className="mt-4 text-center">
          <Button disabled={sandboxes.isFetchingNextPage} onClick={() => void sandboxes.fetchNextPage()}>
            Older ones
          </Button>
        </div>
      )}
    </Page>
  );
}

/** Says so when code cannot run here, or less safely than it could. */
function Backend() {
  const { data } = useQuery(backendQuery);
  if (!data || (data.is_available && !data.reason)) return null;
  return (
    <div
      role={data.is_available ? undefined : "alert"}
      className={`mb-5 rounded-xl p-4 ${data.is_available ? "bg-warn-soft" : "bg-bad-soft"}`}
    >
      <p className="font-medium">
        {data.is_available ? `Sandboxes work here by ${data.name}, with a reservation` : "Sandboxes do not work here"}
      </p>
      <p className="break-words">{data.reason}</p>
      {data.fix && <p className="mt-1 font-mono text-sm break-words">{data.fix}</p>}
    </div>
  );
}
