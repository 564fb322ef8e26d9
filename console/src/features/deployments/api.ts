import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { type Answer, api, data, type Schema } from "@/lib/api";
import { send } from "@/lib/upload";

export type Deployment = Schema["DeploymentOut"];
export type Status = Deployment["status"];
export type Replica = Schema["ReplicaOut"];
export type Version = Answer<"/v1/deployments/{deployment}/versions">["data"][number];
export type Line = Schema["LineOut"];
export type Series = Schema["SeriesOut"];
export type Period = "1h" | "24h" | "7d";
export type Level = "debug" | "info" | "warn" | "error";

const WATCH_MS = 4000;
const ROLL_MS = 1000;

const at = (deployment: string) => ({ params: { path: { deployment } } });

export const deploymentsQuery = (filter: { status?: Status; region?: string }) =>
  infiniteQueryOptions({
    queryKey: ["deployments", "list", filter],
    queryFn: ({ pageParam }) =>
      data(api.GET("/v1/deployments", { params: { query: { ...filter, limit: 50, cursor: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: WATCH_MS,
  });

/** Looked at more often while it changes. */
export const deploymentQuery = (deployment: string) =>
  queryOptions({
    queryKey: ["deployments", deployment],
    queryFn: () => data(api.GET("/v1/deployments/{deployment}", at(deployment))),
    refetchInterval: ({ state }) => (state.data?.status === "deploying" ? ROLL_MS : WATCH_MS),
  });

export const replicasQuery = (deployment: string, isRolling: boolean) =>
  queryOptions({
    queryKey: ["deployments", deployment, "replicas"],
    queryFn: () => data(api.GET("/v1/deployments/{deployment}/replicas", at(deployment))),
    refetchInterval: isRolling ? ROLL_MS : WATCH_MS,
  });

export const versionsQuery = (deployment: string, version: number) =>
  queryOptions({
    queryKey: ["deployments", deployment, "versions", version],
    queryFn: () => data(api.GET("/v1/deployments/{deployment}/versions", at(deployment))),
  });

export const figuresQuery = (deployment: string, period: Period) =>
  queryOptions({
    queryKey: ["deployments", deployment, "figures", period],
    queryFn: () =>
      data(api.GET("/v1/deployments/{deployment}/metrics", { params: { path: { deployment }, query: { period } } })),
    refetchInterval: 15_000,
  });

export interface LineFilter {
  level: Level;
  text: string;
  replica: string;
}

const TAIL = 2000;

export const linesOf = (deployment: string, { level, text, replica }: LineFilter, signal: AbortSignal) => {
  const query = { tail: TAIL, level, text: text || undefined, replica_id: replica || undefined };
  return data(api.GET("/v1/deployments/{deployment}/logs", { params: { path: { deployment }, query }, signal }));
};

export const createDeployment = (body: Schema["DeploymentBody"]) => data(api.POST("/v1/deployments", { body }));

export const changeDeployment = (deployment: string, body: Schema["DeploymentPatch"]) =>
  data(api.PATCH("/v1/deployments/{deployment}", { ...at(deployment), body }));

export const deleteDeployment = (deployment: string) =>
  data(api.DELETE("/v1/deployments/{deployment}", at(deployment)));

export const scale = (deployment: string, replicas: number) =>
  data(api.POST("/v1/deployments/{deployment}/scale", { ...at(deployment), body: { replicas } }));

export const order = (deployment: string, what: "start" | "stop" | "restart") =>
  data(api.POST(`/v1/deployments/{deployment}/${what}`, at(deployment)));

export const rollTo = (deployment: string, version: number) =>
  data(
    api.POST("/v1/deployments/{deployment}/versions/{version}/roll", {
      params: { path: { deployment, version: String(version) } },
    }),
  );

/** Keeps the program among the workspace's objects, under a name that no version before has; gives its address. */
export async function uploadProgram(file: File, onProgress: (share: number) => void): Promise<string> {
  const name = `programs/${Date.now().toString(36)}-${file.name.replace(/[^\w.-]+/g, "-")}`;
  await send(`/v1/storage/upload?filename=${encodeURIComponent(name)}`, file, onProgress);
  return `storage://${name}`;
}
