import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";
import type { StepDefinition } from "./layout";

export type Workflow = Schema["WorkflowOut"];
export type Execution = Schema["ExecutionOut"];
export type ExecutionSummary = Schema["ExecutionSummary"];
export type Step = Schema["StepOut"];

const OPEN = ["queued", "running", "waiting"];
export const isOpen = (execution: Pick<ExecutionSummary, "status">) => OPEN.includes(execution.status);

export const workflowsQuery = queryOptions({
  queryKey: ["workflows"],
  queryFn: () => data(api.GET("/v1/workflows", { params: { query: { limit: 200 } } })),
});

export const workflowQuery = (workflow: string) =>
  queryOptions({
    queryKey: ["workflows", workflow],
    queryFn: () => data(api.GET("/v1/workflows/{workflow}", { params: { path: { workflow } } })),
  });

/** As it was when an execution began. */
export const versionQuery = (workflow: string, version: number) =>
  queryOptions({
    queryKey: ["workflows", workflow, "version", version],
    queryFn: () =>
      data(
        api.GET("/v1/workflows/{workflow}/versions/{version}", {
          params: { path: { workflow, version: String(version) as never } },
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const executionsQuery = (workflow: string) =>
  infiniteQueryOptions({
    queryKey: ["workflows", workflow, "executions"],
    queryFn: ({ pageParam }) =>
      data(
        api.GET("/v1/workflows/{workflow}/executions", {
          params: { path: { workflow }, query: { limit: 30, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: 3000,
  });

export const executionQuery = (workflow: string, execution: string) =>
  queryOptions({
    queryKey: ["workflows", workflow, "execution", execution],
    queryFn: () =>
      data(api.GET("/v1/workflows/{workflow}/executions/{execution}", { params: { path: { workflow, execution } } })),
    refetchInterval: ({ state }) => (!state.data || isOpen(state.data) ? 1000 : false),
  });

/** What people write of a workflow, as JSON. */
export interface Definition {
  name: string;
  description?: string;
  steps: StepDefinition[];
  input_schema?: unknown;
  output?: unknown;
  timeout_seconds?: number | null;
}

export const validate = (definition: Definition) =>
  data(
    api.POST("/v1/workflows/validate", {
      body: {
        steps: definition.steps,
        input_schema: definition.input_schema,
        output: definition.output,
        timeout_seconds: definition.timeout_seconds,
      } as Schema["DefinitionBody"],
    }),
  );

export const createWorkflow = (body: Definition) =>
  data(api.POST("/v1/workflows", { body: body as unknown as Schema["WorkflowBody"] }));

export const changeWorkflow = (workflow: string, body: Definition) =>
  data(
    api.PATCH("/v1/workflows/{workflow}", {
      params: { path: { workflow } },
      body: body as unknown as Schema["WorkflowChanges"],
    }),
  );

export const deleteWorkflow = (workflow: string) =>
  data(api.DELETE("/v1/workflows/{workflow}", { params: { path: { workflow } } }));

export const runWorkflow = (workflow: string, input: unknown, version?: number) =>
  data(
    api.POST("/v1/workflows/{workflow}/run", {
      params: { path: { workflow } },
      body: { input, ...(version ? { version } : {}) } as Schema["RunBody"],
    }),
  );

export const cancelExecution = (run: string) => data(api.POST("/v1/runs/{run}/cancel", { params: { path: { run } } }));
