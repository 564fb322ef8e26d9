import { useInfiniteQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { type JobStatus, jobsQuery } from "@/features/jobs/api";
import { JobLine } from "@/features/jobs/job-line";
import { cn } from "@/lib/cn";
import { useHidden } from "@/lib/undo";

const STATES = ["pending", "in_progress", "paused", "completed", "failed", "cancelled"] as const satisfies JobStatus[];

export const Route = createFileRoute("/automation/jobs/")({
  component: Jobs,
  validateSearch: ({ status }: Record<string, unknown>): { status?: JobStatus } => ({
    status: STATES.find((each) => each === status),
  }),
});

function Jobs() {
  const { status } = Route.useSearch();
  const jobs = useInfiniteQuery(jobsQuery(status));
  const hidden = useHidden();
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <nav aria-label="States" className="flex max-w-full gap-1 overflow-x-auto">
          {[undefined, ...STATES].map((each) => (
            <Link
              key={each ?? "all"}
              to="/automation/jobs"
              search={{ status: each }}
              activeOptions={{ exact: true, includeSearch: true }}
              className={cn(
                buttonStyle({ size: "small", look: "quiet" }),
                "aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent",
              )}
            >
              {each?.replace("_", " ") ?? "all"}
            </Link>
          ))}
        </nav>
        <div className="flex-1" />
        <CopyCurl path={`/v1/jobs?top=true${status ? `&status=${status}` : ""}`} />
      </div>
      <Shown
        of={{
          data: jobs.data?.pages.flatMap((page) => page.data).filter(({ id }) => !hidden.has(id)),
          error: jobs.error,
          refetch: jobs.refetch,
        }}
        what="jobs"
      >
        {(found) =>
          found.length ? (
            <Card>
              <ul className="divide-y divide-line">
                {found.map((job) => (
                  <li key={job.id}>
                    <Link to="/automation/jobs/$job" params={{ job: job.id }} className="block hover:bg-raised">
                      <JobLine job={job} title={job.title} />
                    </Link>
                  </li>
                ))}
              </ul>
            </Card>
          ) : (
            <Empty title={status ? `No job is ${status.replace("_", " ")}` : "No jobs yet"}>
              A job is work that is tracked: with progress, steps and jobs below it. Programs and agents make them by
              the API.
            </Empty>
          )
        }
      </Shown>
      {jobs.hasNextPage && (
        <div className="text-center">
          <Button disabled={jobs.isFetchingNextPage} onClick={() => void jobs.fetchNextPage()}>
            Older jobs
          </Button>
        </div>
      )}
    </div>
  );
}
