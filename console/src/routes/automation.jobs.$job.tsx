import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft, RotateCcw, Square, Trash2 } from "lucide-react";
import { Code } from "@/components/code";
import { CopyCurl } from "@/components/copy-curl";
import { Details } from "@/components/details";
import { Loaded } from "@/components/loaded";
import { Card } from "@/components/page";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { cancelJob, deleteJob, isEnded, isTask, type JobTree, retryTask, treeQuery } from "@/features/jobs/api";
import { JobLine } from "@/features/jobs/job-line";
import { lines } from "@/features/jobs/tree";
import { counted, moment, pretty } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { toast } from "@/lib/toast";
import { useNames } from "./-names";
import { runLink } from "./-run-link";
import { RunTree } from "./-run-tree";

export const Route = createFileRoute("/automation/jobs/$job")({ component: JobPage });

function JobPage() {
  const { job: id } = Route.useParams();
  const tree = useQuery(treeQuery(id));
  return (
    <Loaded of={tree} what="the job" back={{ to: "/automation/jobs", name: "All jobs" }}>
      {(job) => <Found key={job.id} job={job} />}
    </Loaded>
  );
}

const jobLink = (id: string, title: string) => (
  <Link to="/automation/jobs/$job" params={{ job: id }} className="text-accent underline underline-offset-2">
    {title}
  </Link>
);

function Found({ job }: { job: JobTree }) {
  const names = useNames();
  const below = lines<JobTree>(job);
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <Link to="/automation/jobs" className="flex items-center gap-1.5 text-sm text-accent">
          <ArrowLeft className="size-4" aria-hidden /> All jobs
        </Link>
        <div className="flex-1" />
        <Actions job={job} />
        <CopyCurl path={`/v1/jobs/${job.id}/tree`} />
      </div>
      <h2 className="flex flex-wrap items-center gap-3 text-xl font-semibold wrap-anywhere">
        {job.title} <Status value={job.status} />
      </h2>
      {job.error && <p className="rounded-lg bg-bad-soft px-4 py-3 break-words text-bad">{job.error}</p>}
      <div className="grid gap-5 lg:grid-cols-2">
        <Card title="Facts">
          <Details
            of={[
              ...(job.description ? [["What", job.description] as const] : []),
              ["Kind", job.kind],
              [
                "Progress",
                `${Math.round(job.progress)} %, ${job.completed_steps} of ${counted(job.total_steps, "step")}`,
              ],
              ...(job.current_step ? [["Now", job.current_step] as const] : []),
              ["Agent", names.agent(job.agent_id)],
              ["Run", job.run_id ? runLink(job.run_id, "Open its run") : "it shows none"],
              ...(job.parent_id ? [["Part of", jobLink(job.parent_id, "the job above")] as const] : []),
              ["Made", moment(job.created_at)],
              ["Began", job.started_at ? moment(job.started_at) : "not yet"],
              ["Ended", job.finished_at ? moment(job.finished_at) : "not yet"],
              ...(job.tags.length ? [["Tags", job.tags.join(", ")] as const] : []),
              ...(job.resources.length ? [["About", job.resources.join(", ")] as const] : []),
            ]}
          />
        </Card>
        <Card title="Input and output">
          <div className="space-y-3 p-4">
            <Code name="Input" text={pretty(job.input)} />
            {job.output ? (
              <Code name="Output" text={pretty(job.output)} />
            ) : (
              <p className="text-sm text-soft">No output yet.</p>
            )}
          </div>
        </Card>
      </div>
      <Card title={`Tree (${counted(below.length, "job")})`}>
        <ul className="divide-y divide-line">
          {below.map(({ item, depth }) => (
            <li key={item.id}>
              <JobLine job={item} depth={depth} title={depth ? jobLink(item.id, item.title) : item.title} />
            </li>
          ))}
        </ul>
      </Card>
      {job.run_id && <RunTree run={job.run_id} />}
    </div>
  );
}

function Actions({ job }: { job: JobTree }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["jobs"] });
  const cancelling = useMutation({ mutationFn: () => cancelJob(job.id), onError, onSettled });
  const retrying = useMutation({
    mutationFn: () => retryTask(job.id),
    onSuccess: ({ id }) => navigate({ to: "/automation/jobs/$job", params: { job: id } }),
    onError,
    onSettled,
  });
  const remove = useRemoval(["jobs"]);
  const onRemove = () => {
    remove(job.id, `${job.title} is deleted, with the jobs below it; their open runs are cancelled.`, () =>
      deleteJob(job.id),
    );
    void navigate({ to: "/automation/jobs" });
  };
  return (
    <>
      {!isEnded(job) && (
        <Button look="danger" disabled={cancelling.isPending} onClick={() => cancelling.mutate()}>
          <Square aria-hidden /> Cancel
        </Button>
      )}
      {isEnded(job) && isTask(job) && (
        <Button disabled={retrying.isPending} onClick={() => retrying.mutate()}>
          <RotateCcw aria-hidden /> Do it again
        </Button>
      )}
      <Button onClick={onRemove} look="danger">
        <Trash2 aria-hidden /> Delete
      </Button>
    </>
  );
}
