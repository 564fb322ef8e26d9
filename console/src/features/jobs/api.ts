import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";

export type Job = Schema["JobOut"];
export type JobTree = Schema["TreeOut"];
export type JobStatus = Job["status"];
export type SubRun = Schema["RunOut"];

const OFTEN_MS = 4000;
const ENDED: JobStatus[] = ["completed", "failed", "cancelled"];
export const isEnded = (job: Pick<Job, "status">) => ENDED.includes(job.status);

/** Kinds that /v1/tasks made, which can be done once more. */
export const isTask = (job: Pick<Job, "kind">) =>
  ["agent_execution", "data_processing", "code_execution"].includes(job.kind);

export const jobsQuery = (status?: JobStatus) =>
  infiniteQueryOptions({
    queryKey: ["jobs", status ?? ""],
    queryFn: ({ pageParam }) =>
      data(
        api.GET("/v1/jobs", {
          params: {
            query: { top: true, limit: 50, ...(status ? { status } : {}), ...(pageParam ? { cursor: pageParam } : {}) },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: OFTEN_MS,
  });

export const treeQuery = (job: string) =>
  queryOptions({
    queryKey: ["jobs", job, "tree"],
    queryFn: () => data(api.GET("/v1/jobs/{job}/tree", { params: { path: { job } } })),
    refetchInterval: OFTEN_MS,
  });

/** A run with all that work for it. */
export const runTreeQuery = (root_run_id: string) =>
  queryOptions({
    queryKey: ["jobs", "runs", root_run_id],
    queryFn: () => data(api.GET("/v1/runs", { params: { query: { root_run_id, limit: 200 } } })),
    refetchInterval: OFTEN_MS,
  });

export const cancelJob = (job: string) =>
  data(api.PATCH("/v1/jobs/{job}", { params: { path: { job } }, body: { status: "cancelled" } as Schema["JobPatch"] }));

export const deleteJob = (job: string) => data(api.DELETE("/v1/jobs/{job}", { params: { path: { job } } }));

export const retryTask = (task: string) => data(api.POST("/v1/tasks/{task}/retry", { params: { path: { task } } }));
