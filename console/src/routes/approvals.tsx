import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { Page } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { decidedQuery, pendingQuery } from "@/features/approvals/api";
import { ApprovalCard } from "@/features/approvals/approval-card";

export const Route = createFileRoute("/approvals")({
  component: Approvals,
  validateSearch: (search: Record<string, unknown>): { show?: "all" } => (search.show === "all" ? { show: "all" } : {}),
});

function Approvals() {
  const { show } = Route.useSearch();
  const approvals = useQuery(show === "all" ? decidedQuery : pendingQuery);
  return (
    <Page
      title="Approvals"
      lead="Calls of tools that a person decides about."
      actions={
        <>
          <CopyCurl path={`/v1/approvals${show ? "" : "?status=pending"}`} />
          <Link to="/approvals" search={show ? {} : { show: "all" }} className={buttonStyle()}>
            {show ? "Only waiting ones" : "Decided ones too"}
          </Link>
        </>
      }
    >
      <Shown of={approvals} what="approvals">
        {({ data }) =>
          data.length ? (
            <ul className="max-w-3xl space-y-4">
              {data.map((approval) => (
                <li key={approval.id}>
                  <ApprovalCard
                    approval={approval}
                    link={
                      <Link
                        to="/runs/$run"
                        params={{ run: approval.run_id }}
                        className="inline-block text-sm text-accent underline underline-offset-2"
                      >
                        See the run
                      </Link>
                    }
                  />
                </li>
              ))}
            </ul>
          ) : (
            <Empty title="Nobody waits for you">
              A call comes here when an agent's permissions say that it asks first. This page looks again every three
              seconds.
            </Empty>
          )
        }
      </Shown>
    </Page>
  );
}
