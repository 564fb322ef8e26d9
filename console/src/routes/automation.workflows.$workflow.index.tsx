import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft, Pencil, Play, Trash2 } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Loaded } from "@/components/loaded";
import { Modal } from "@/components/modal";
import { Card } from "@/components/page";
import { Problem } from "@/components/problem";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Table } from "@/components/table";
import { Button, buttonStyle } from "@/components/ui/button";
import { Field, TextArea } from "@/components/ui/field";
import { deleteWorkflow, executionsQuery, runWorkflow, type Workflow, workflowQuery } from "@/features/workflows/api";
import { DefinitionForm } from "@/features/workflows/definition-form";
import { Graph } from "@/features/workflows/graph";
import type { StepDefinition } from "@/features/workflows/layout";
import { StepPanel } from "@/features/workflows/step-panel";
import { duration, moment, pretty } from "@/lib/format";
import { useRemoval } from "@/lib/removal";

interface Search {
  step?: string;
  edit?: true;
  /** Whether it is about to be executed. */
  begin?: true;
}

export const Route = createFileRoute("/automation/workflows/$workflow/")({
  component: WorkflowPage,
  validateSearch: ({ step, edit, begin }: Record<string, unknown>): Search => ({
    step: typeof step === "string" ? step : undefined,
    edit: edit === true ? true : undefined,
    begin: begin === true ? true : undefined,
  }),
});

function WorkflowPage() {
  const { workflow: slug } = Route.useParams();
  const workflow = useQuery(workflowQuery(slug));
  return (
    <Loaded of={workflow} what="the workflow" back={{ to: "/automation/workflows", name: "All workflows" }}>
      {(found) => <Found key={found.id} workflow={found} />}
    </Loaded>
  );
}

function Found({ workflow }: { workflow: Workflow }) {
  const { step, edit } = Route.useSearch();
  const navigate = Route.useNavigate();
  const steps = workflow.steps as StepDefinition[];
  const shown = steps.find(({ id }) => id === step);
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <Link to="/automation/workflows" className="flex items-center gap-1.5 text-sm text-accent">
          <ArrowLeft className="size-4" aria-hidden /> All workflows
        </Link>
        <div className="flex-1" />
        <Begin workflow={workflow} />
        <Link
          to="/automation/workflows/$workflow"
          params={{ workflow: workflow.slug }}
          search={edit ? {} : { edit: true }}
          className={buttonStyle()}
        >
          <Pencil aria-hidden /> {edit ? "Leave as it is" : "Change"}
        </Link>
        <Remove workflow={workflow} />
        <CopyCurl path={`/v1/workflows/${workflow.slug}`} />
      </div>
      <div>
        <h2 className="text-xl font-semibold wrap-anywhere">{workflow.name}</h2>
        <p className="text-soft">
          {workflow.description && `${workflow.description} · `}version {workflow.version} of{" "}
          {moment(workflow.updated_at)}
        </p>
      </div>
      {edit ? (
        <DefinitionForm workflow={workflow} onDone={() => void navigate({ search: {} })} />
      ) : (
        <div className="grid gap-5 lg:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
          <Card title="Graph">
            <Graph steps={steps} shown={step} onShow={(id) => void navigate({ search: { step: id }, replace: true })} />
          </Card>
          <Card title={shown ? shown.name || shown.id : "Step"}>
            {shown ? (
              <div className="pt-4">
                <StepPanel definition={shown} step={undefined} runLink={() => null} approvalLink={() => null} />
              </div>
            ) : (
              <p className="p-4 text-soft">Choose a step to see what it does.</p>
            )}
          </Card>
        </div>
      )}
      <Executions workflow={workflow} />
    </div>
  );
}

function Executions({ workflow }: { workflow: Workflow }) {
  const executions = useInfiniteQuery(executionsQuery(workflow.slug));
  return (
    <Card title="Executions">
      <Shown
        of={{
          data: executions.data?.pages.flatMap((page) => page.data),
          error: executions.error,
          refetch: executions.refetch,
        }}
        what="executions"
      >
        {(found) =>
          found.length ? (
            <Table
              name="Executions"
              rows={found}
              keyOf={({ id }) => id}
              columns={[
                {
                  name: "Began",
                  show: ({ id, created_at }) => (
                    <Link
                      to="/automation/workflows/$workflow/$execution"
                      params={{ workflow: workflow.slug, execution: id }}
                      className="whitespace-nowrap text-accent underline underline-offset-2"
                    >
                      {moment(created_at)}
                    </Link>
                  ),
                },
                { name: "Status", show: ({ status }) => <Status value={status} /> },
                { name: "Version", isNumber: true, show: ({ version }) => version },
                {
                  name: "Took",
                  isNumber: true,
                  show: ({ started_at, finished_at }) =>
                    started_at && finished_at ? duration(Date.parse(finished_at) - Date.parse(started_at)) : "–",
                },
                {
                  name: "Note",
                  isExtra: true,
                  show: ({ error, waiting_for }) =>
                    error?.message ?? (waiting_for.length ? `waits for ${waiting_for.join(", ")}` : ""),
                },
              ]}
            />
          ) : (
            <div className="p-4">
              <Empty title="It has not been executed yet" />
            </div>
          )
        }
      </Shown>
      {executions.hasNextPage && (
        <div className="border-t border-line p-3 text-center">
          <Button disabled={executions.isFetchingNextPage} onClick={() => void executions.fetchNextPage()}>
            Older executions
          </Button>
        </div>
      )}
    </Card>
  );
}

/** The smallest input that a schema asks for, to begin with. */
function sampleOf(schema: unknown): unknown {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, { type?: string }>;
    required?: string[];
  };
  const empty: Record<string, unknown> = { string: "", number: 0, integer: 0, boolean: false, array: [], object: {} };
  return Object.fromEntries(required.map((name) => [name, empty[properties[name]?.type ?? ""] ?? null]));
}

function Begin({ workflow }: { workflow: Workflow }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const search = Route.useSearch();
  const setIsOpen = (isOpen: boolean) =>
    void navigate({
      to: "/automation/workflows/$workflow",
      params: { workflow: workflow.slug },
      search: { ...search, begin: isOpen || undefined },
      replace: true,
    });
  const beginning = useMutation({
    mutationFn: (text: string) => {
      let input: unknown;
      try {
        input = JSON.parse(text);
      } catch {
        throw new Error("That is not JSON yet.");
      }
      return runWorkflow(workflow.slug, input);
    },
    onSuccess: ({ id }) =>
      navigate({
        to: "/automation/workflows/$workflow/$execution",
        params: { workflow: workflow.slug, execution: id },
      }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["workflows", workflow.slug, "executions"] }),
  });
  return (
    <>
      <Button look="main" onClick={() => setIsOpen(true)}>
        <Play aria-hidden /> Execute
      </Button>
      <Modal title={`Execute ${workflow.name}`} isOpen={search.begin === true} onClose={() => setIsOpen(false)}>
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            beginning.mutate(String(new FormData(event.currentTarget).get("input")));
          }}
        >
          <Field label="Input" hint="JSON, as its schema asks.">
            {(given) => (
              <TextArea
                {...given}
                name="input"
                rows={8}
                className="font-mono text-sm"
                defaultValue={pretty(sampleOf(workflow.input_schema))}
              />
            )}
          </Field>
          <Problem of={beginning.error} />
          <div className="flex gap-2">
            <Button type="submit" look="main" disabled={beginning.isPending}>
              Begin
            </Button>
            <CopyCurl
              method="POST"
              path={`/v1/workflows/${workflow.slug}/run`}
              body={(form: FormData) => ({ input: JSON.parse(String(form.get("input"))) })}
            />
          </div>
        </form>
      </Modal>
    </>
  );
}

function Remove({ workflow }: { workflow: Workflow }) {
  const navigate = useNavigate();
  const remove = useRemoval(["workflows"]);
  const onRemove = () => {
    remove(workflow.id, `${workflow.name} is deleted. Executions that were begun go on.`, () =>
      deleteWorkflow(workflow.id),
    );
    void navigate({ to: "/automation/workflows" });
  };
  return (
    <Button onClick={onRemove} look="danger" size="icon" aria-label={`Delete ${workflow.name}`}>
      <Trash2 aria-hidden />
    </Button>
  );
}
