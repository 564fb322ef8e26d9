import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, data, errorOf, type Schema, serverUrl, signedFetch } from "@/lib/api";

export type Sandbox = Schema["SandboxOut"];
export type Stats = Schema["StatsOut"];
export type Snapshot = Schema["SnapshotOut"];
export type Preview = Schema["PreviewOut"];
export type Entry = Schema["FileOut"];
export type NewSandbox = Schema["SandboxBody"];
export type TerminalOut = Schema["TerminalOut"];

const LIVE = ["running", "paused", "starting"];
export const lives = (sandbox: Pick<Sandbox, "status">) => LIVE.includes(sandbox.status);

export const sandboxesQuery = infiniteQueryOptions({
  queryKey: ["sandboxes"],
  queryFn: ({ pageParam }) => data(api.GET("/v1/sandboxes", { params: { query: { limit: 50, cursor: pageParam } } })),
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (page) => page.next_cursor ?? undefined,
  refetchInterval: 5000,
});

export const sandboxQuery = (sandbox: string) =>
  queryOptions({
    queryKey: ["sandbox", sandbox],
    queryFn: () => data(api.GET("/v1/sandboxes/{sandbox}", { params: { path: { sandbox } } })),
    refetchInterval: 5000,
  });

/** What it uses now; only one that runs can be asked. */
export const statsQuery = (sandbox: Pick<Sandbox, "id" | "status">, everyMs: number) =>
  queryOptions({
    queryKey: ["sandbox", sandbox.id, "stats"],
    queryFn: () => data(api.GET("/v1/sandboxes/{sandbox}/stats", { params: { path: { sandbox: sandbox.id } } })),
    enabled: sandbox.status === "running" || sandbox.status === "paused",
    refetchInterval: everyMs,
  });

/** What each took in the last 30 days. */
export const usageQuery = queryOptions({
  queryKey: ["sandboxes", "usage"],
  queryFn: () => data(api.GET("/v1/usage/sandboxes", { params: { query: { group_by: "sandbox" } } })),
  refetchInterval: 30_000,
});

export const templatesQuery = queryOptions({
  queryKey: ["sandbox-templates"],
  queryFn: () => data(api.GET("/v1/sandbox-templates")),
  staleTime: 60_000,
});

export const backendQuery = queryOptions({
  queryKey: ["sandbox-backend"],
  queryFn: () => data(api.GET("/v1/sandbox-backend")),
  staleTime: 60_000,
});

export const egressQuery = (sandbox: string) =>
  infiniteQueryOptions({
    queryKey: ["sandbox", sandbox, "egress"],
    queryFn: ({ pageParam }) =>
      data(
        api.GET("/v1/sandboxes/{sandbox}/egress", {
          params: { path: { sandbox }, query: { limit: 100, cursor: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: 4000,
  });

export const filesQuery = (sandbox: string, path: string) =>
  queryOptions({
    queryKey: ["sandbox", sandbox, "files", path],
    queryFn: () =>
      data(api.GET("/v1/sandboxes/{sandbox}/files", { params: { path: { sandbox }, query: { path, limit: 5000 } } })),
  });

export const snapshotsQuery = (sandbox: string) =>
  queryOptions({
    queryKey: ["sandbox", sandbox, "snapshots"],
    queryFn: () =>
      data(api.GET("/v1/sandboxes/{sandbox}/snapshots", { params: { path: { sandbox }, query: { limit: 200 } } })),
  });

export const terminalsQuery = (sandbox: string) =>
  queryOptions({
    queryKey: ["sandbox", sandbox, "terminals"],
    queryFn: () => data(api.GET("/v1/sandboxes/{sandbox}/terminals", { params: { path: { sandbox } } })),
    refetchInterval: 10_000,
  });

/** The runs of the session whose agent works in it, newest first. */
export const ownersQuery = (session_id: string) =>
  queryOptions({
    queryKey: ["runs", "of session", session_id],
    queryFn: () => data(api.GET("/v1/runs", { params: { query: { session_id, limit: 20 } } })),
    refetchInterval: 5000,
  });

const at = (sandbox: string) => ({ params: { path: { sandbox } } });

export const createSandbox = (body: NewSandbox) => data(api.POST("/v1/sandboxes", { body }));
export const deleteSandbox = (sandbox: string) => data(api.DELETE("/v1/sandboxes/{sandbox}", at(sandbox)));
export const pauseSandbox = (sandbox: string) => data(api.POST("/v1/sandboxes/{sandbox}/pause", at(sandbox)));
export const resumeSandbox = (sandbox: string) => data(api.POST("/v1/sandboxes/{sandbox}/resume", at(sandbox)));

export const setLease = (sandbox: string, lease_seconds: number) =>
  data(api.PUT("/v1/sandboxes/{sandbox}/lease", { ...at(sandbox), body: { lease_seconds } }));

export const openTerminal = (sandbox: string) =>
  data(api.POST("/v1/sandboxes/{sandbox}/terminals", { ...at(sandbox), body: {} }));

export const closeTerminal = (sandbox: string, terminal: string) =>
  data(api.DELETE("/v1/sandboxes/{sandbox}/terminals/{terminal}", { params: { path: { sandbox, terminal } } }));

export const makeFolder = (sandbox: string, path: string) =>
  data(api.POST("/v1/sandboxes/{sandbox}/files/directories", { ...at(sandbox), body: { path } }));

export const moveFile = (sandbox: string, source: string, target: string) =>
  data(api.POST("/v1/sandboxes/{sandbox}/files/move", { ...at(sandbox), body: { source, target } }));

export const deleteFile = (sandbox: string, path: string) =>
  data(api.DELETE("/v1/sandboxes/{sandbox}/files", { params: { path: { sandbox }, query: { path } } }));

export const contentPath = (sandbox: string, path: string) =>
  `/v1/sandboxes/${sandbox}/files/content?path=${encodeURIComponent(path)}`;

export const tarPath = (sandbox: string, path: string) =>
  `/v1/sandboxes/${sandbox}/files/tar?path=${encodeURIComponent(path)}`;

export async function putFile(sandbox: string, path: string, content: Blob) {
  const response = await signedFetch(serverUrl() + contentPath(sandbox, path), { method: "PUT", body: content });
  if (!response.ok) throw await errorOf(response);
}

export const makeSnapshot = (sandbox: string, name: string) =>
  data(api.POST("/v1/sandboxes/{sandbox}/snapshots", { ...at(sandbox), body: { name } }));

export const restoreSnapshot = (sandbox: string, snapshot_id: string) =>
  data(api.POST("/v1/sandboxes/{sandbox}/restore", { ...at(sandbox), body: { snapshot_id } }));

export const deleteSnapshot = (snapshot: string) =>
  data(api.DELETE("/v1/sandbox-snapshots/{snapshot}", { params: { path: { snapshot } } }));

export const makePreview = (sandbox: string, port: number, expires_in: number) =>
  data(
    api.POST("/v1/sandboxes/{sandbox}/ports/{port}/preview", {
      params: { path: { sandbox, port: String(port) } },
      body: { expires_in },
    }),
  );
