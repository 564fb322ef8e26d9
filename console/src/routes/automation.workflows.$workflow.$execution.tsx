import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft, RotateCcw, Square } from "lucide-react";
import { Code } from "@/components/code";
import { CopyCurl } from "@/components/copy-curl";
import { Details } from "@/components/details";
import { Loaded } from "@/components/loaded";
import { Card } from "@/components/page";
import { Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import {
  cancelExecution,
  type Execution,
  executionQuery,
  isOpen,
  runWorkflow,
  versionQuery,
} from "@/features/workflows/api";
import { Graph } from "@/features/workflows/graph";
import type { StepDefinition } from "@/features/workflows/layout";
import { StepPanel } from "@/features/workflows/step-panel";
import { duration, moment, pretty } from "@/lib/format";
import { toast } from "@/lib/toast";
import { runLink } from "./-run-link";
import { RunTree } from "./-run-tree";
import { Waits } from "./-waits";

export const Route = createFileRoute("/automation/workflows/$workflow/$execution")({
  component: ExecutionPage,
  validateSearch: ({ step }: Record<string, unknown>): { step?: string } => ({
    step: typeof step === "string" ? step : undefined,
  }),
});

function ExecutionPage() {
  const { workflow, execution: id } = Route.useParams();
  const execution = useQuery(executionQuery(workflow, id));
  return (
    <Loaded of={execution} what="the execution" back={{ to: "/automation/workflows", name: "All workflows" }}>
      {(found) => <Found key={found.id} execution={found} />}
    </Loaded>
  );
}

function Found({ execution }: { execution: Execution }) {
  const { workflow: slug } = Route.useParams();
  const { step } = Route.useSearch();
  const navigate = Route.useNavigate();
  const version = useQuery(versionQuery(slug, execution.version));
  const shown = execution.steps.find(({ id }) => id === step);
  const { started_at, finished_at } = execution;
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <Link
          to="/automation/workflows/$workflow"
          params={{ workflow: slug }}
          className="flex items-center gap-1.5 text-sm text-accent"
        >
          <ArrowLeft className="size-4" aria-hidden /> The workflow
        </Link>
        <div className="flex-1" />
        <Actions execution={execution} slug={slug} />
        <CopyCurl path={`/v1/workflows/${slug}/executions/${execution.id}`} />
      </div>
      <h2 className="flex flex-wrap items-center gap-3 text-xl font-semibold wrap-anywhere">
        {version.data?.name ?? slug} <Status value={execution.status} />
      </h2>
      {execution.error && (
        <p className="rounded-lg bg-bad-soft px-4 py-3 break-words text-bad">{execution.error.message}</p>
      )}
      <div className="grid gap-5 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Card title="Steps">
          <Shown of={version} what="the definition">
            {({ steps }) => (
              <Graph
                steps={steps as StepDefinition[]}
                states={execution.steps}
                shown={step}
                onShow={(id) => void navigate({ search: { step: id }, replace: true })}
              />
            )}
          </Shown>
        </Card>
        <Card title={shown?.id ?? "Step"}>
          {shown ? (
            <StepPanel
              step={shown}
              definition={(version.data?.steps as StepDefinition[] | undefined)?.find(({ id }) => id === step)}
              runLink={runLink}
              approvalLink={(children) => (
                <Link to="/approvals" search={{ show: "all" }} className="text-accent underline underline-offset-2">
                  {children}
                </Link>
              )}
            />
          ) : (
            <p className="p-4 text-soft">Choose a step to see how it went.</p>
          )}
        </Card>
        <Card title="Input and output">
          <div className="space-y-3 p-4">
            <Code name="Input" text={pretty(execution.input)} />
            {execution.status === "completed" ? (
              <Code name="Output" text={pretty(execution.output)} />
            ) : (
              <p className="text-sm text-soft">No output yet.</p>
            )}
          </div>
        </Card>
        <Card title="Facts">
          <Details
            of={[
              ["Run", runLink(execution.id, "Its events")],
              ["Version", String(execution.version)],
              ["Made", moment(execution.created_at)],
              [
                "Took",
                started_at
                  ? duration((finished_at ? Date.parse(finished_at) : Date.now()) - Date.parse(started_at))
                  : "–",
              ],
              ["Waits for", <Waits key="waits" what={execution.waiting_for} />],
              ...(execution.parent_run_id ? [["Begun by", runLink(execution.parent_run_id, "a run")] as const] : []),
            ]}
          />
        </Card>
      </div>
      <RunTree run={execution.id} />
    </div>
  );
}

function Actions({ execution, slug }: { execution: Execution; slug: string }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["workflows", slug] });
  const cancelling = useMutation({ mutationFn: () => cancelExecution(execution.id), onError, onSettled });
  const again = useMutation({
    mutationFn: () => runWorkflow(slug, execution.input, execution.version),
    onSuccess: ({ id }) =>
      navigate({ to: "/automation/workflows/$workflow/$execution", params: { workflow: slug, execution: id } }),
    onError,
    onSettled,
  });
  return isOpen(execution) ? (
    <Button look="danger" disabled={cancelling.isPending} onClick={() => cancelling.mutate()}>
      <Square aria-hidden /> Cancel
    </Button>
  ) : (
    <Button disabled={again.isPending} onClick={() => again.mutate()}>
      <RotateCcw aria-hidden /> Execute again
    </Button>
  );
}
