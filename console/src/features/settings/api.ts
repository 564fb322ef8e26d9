import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { ApiError, api, data, type Schema, serverUrl, signedFetch } from "@/lib/api";
import { listModels } from "@/lib/models";

export type Key = Schema["KeyOut"];
export type User = Schema["UserOut"];
export type Role = User["role"];
export type SignIn = Schema["SignedInOut"];
export type Webhook = Schema["WebhookOut"];
export type Delivery = Schema["DeliveryOut"];
export type AuditEntry = Schema["AuditEntryOut"];

export const ROLES: readonly Role[] = ["admin", "user", "read-only"];
const OFTEN_MS = 5000;

export const meQuery = queryOptions({ queryKey: ["me"], queryFn: () => data(api.GET("/v1/me")) });

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: () => data(api.GET("/v1/keys", { params: { query: { limit: 500 } } })),
  staleTime: OFTEN_MS,
});

export const createKey = (body: Partial<Schema["KeyBody"]> & { name: string }) =>
  data(api.POST("/v1/keys", { body: body as Schema["KeyBody"] }));

export const revokeKey = (key: string) => data(api.DELETE("/v1/keys/{key}", { params: { path: { key } } }));

export const usersQuery = queryOptions({
  queryKey: ["users"],
  queryFn: () => data(api.GET("/v1/users", { params: { query: { limit: 500 } } })),
});

export const userQuery = (user: string) =>
  queryOptions({
    queryKey: ["users", user],
    queryFn: () => data(api.GET("/v1/users/{user}", { params: { path: { user } } })),
  });

export const signInsQuery = (user: string) =>
  queryOptions({
    queryKey: ["users", user, "sign-ins"],
    queryFn: () => data(api.GET("/v1/users/{user}/sign-ins", { params: { path: { user } } })),
  });

export const createUser = (body: { email: string; password: string; name: string; role: Role }) =>
  data(api.POST("/v1/users", { body }));

export const changeUser = (user: string, body: { name?: string; role?: Role; is_active?: boolean }) =>
  data(api.PATCH("/v1/users/{user}", { params: { path: { user } }, body: body as Schema["UserChangesBody"] }));

export const deactivateUser = (user: string) =>
  data(api.POST("/v1/users/{user}/deactivate", { params: { path: { user } } }));

export const changePassword = (user: string, password: string, current_password?: string) =>
  data(
    api.POST("/v1/users/{user}/password", {
      params: { path: { user } },
      body: { password, ...(current_password ? { current_password } : {}) },
    }),
  );

export const endSignIn = (user: string, sign_in: string) =>
  data(api.DELETE("/v1/users/{user}/sign-ins/{sign_in}", { params: { path: { user, sign_in } } }));

export const webhooksQuery = queryOptions({
  queryKey: ["webhooks"],
  queryFn: () => data(api.GET("/v1/webhooks", { params: { query: { limit: 100 } } })),
});

export const webhookQuery = (webhook: string) =>
  queryOptions({
    queryKey: ["webhooks", webhook],
    queryFn: () => data(api.GET("/v1/webhooks/{webhook}", { params: { path: { webhook } } })),
  });

export const eventTypesQuery = queryOptions({
  queryKey: ["webhooks", "event-types"],
  queryFn: () => data(api.GET("/v1/webhooks/event-types")),
  staleTime: Number.POSITIVE_INFINITY,
});

export type DeliveryStatus = Delivery["status"];

export const deliveriesQuery = (webhook: string, status?: DeliveryStatus) =>
  infiniteQueryOptions({
    queryKey: ["webhooks", webhook, "deliveries", status ?? ""],
    queryFn: ({ pageParam }) =>
      data(
        api.GET("/v1/webhooks/{webhook}/deliveries", {
          params: {
            path: { webhook },
            query: { limit: 50, ...(status ? { status } : {}), ...(pageParam ? { cursor: pageParam } : {}) },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: OFTEN_MS,
  });

export const deliveryQuery = (webhook: string, delivery: string) =>
  queryOptions({
    queryKey: ["webhooks", webhook, "delivery", delivery],
    queryFn: () =>
      data(api.GET("/v1/webhooks/{webhook}/deliveries/{delivery}", { params: { path: { webhook, delivery } } })),
    refetchInterval: ({ state }) => (state.data?.status === "pending" ? 1500 : false),
  });

export interface WebhookChanges {
  url?: string;
  description?: string;
  event_types?: string[];
  is_active?: boolean;
}

export const createWebhook = (body: WebhookChanges & { url: string }) =>
  data(api.POST("/v1/webhooks", { body: body as Schema["WebhookBody"] }));

export const changeWebhook = (webhook: string, body: WebhookChanges) =>
  data(api.PATCH("/v1/webhooks/{webhook}", { params: { path: { webhook } }, body: body as Schema["WebhookChanges"] }));

export const deleteWebhook = (webhook: string) =>
  data(api.DELETE("/v1/webhooks/{webhook}", { params: { path: { webhook } } }));

export const rotateSecret = (webhook: string, overlap_seconds: number) =>
  data(api.POST("/v1/webhooks/{webhook}/rotate-secret", { params: { path: { webhook } }, body: { overlap_seconds } }));

export const ping = (webhook: string) =>
  data(api.POST("/v1/webhooks/{webhook}/ping", { params: { path: { webhook } } }));

export const redeliver = (webhook: string, delivery: string) =>
  data(api.POST("/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver", { params: { path: { webhook, delivery } } }));

export const redeliverFailed = (webhook: string, since: string) =>
  data(api.POST("/v1/webhooks/{webhook}/redeliver", { params: { path: { webhook } }, body: { since } }));

export interface AuditFilter {
  actor_id?: string;
  actor_kind?: "user" | "key" | "operator" | "system";
  action?: string;
  subject?: string;
  since?: string;
  until?: string;
}

export const auditQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ["audit", filter],
    queryFn: ({ pageParam }) =>
      data(
        api.GET("/v1/audit-log", {
          params: { query: { ...filter, limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });

export const workspaceQuery = queryOptions({
  queryKey: ["workspace"],
  queryFn: async () => (await data(api.GET("/v1/workspaces"))).data[0] ?? null,
});

export const renameWorkspace = (workspace: string, name: string) =>
  data(api.PATCH("/v1/workspaces/{workspace}", { params: { path: { workspace } }, body: { name } }));

export const projectsQuery = queryOptions({
  queryKey: ["projects"],
  queryFn: () => data(api.GET("/v1/projects", { params: { query: { limit: 200 } } })),
});

export const createProject = (name: string) => data(api.POST("/v1/projects", { body: { name } }));

export const modelsQuery = queryOptions({ queryKey: ["models"], queryFn: listModels });

export const providersQuery = queryOptions({
  queryKey: ["providers"],
  queryFn: () => data(api.GET("/v1/providers")),
  staleTime: 30_000,
});

/** Asks a model something small and tells how long the answer took. It costs what such a call costs. */
export async function tryModel(model: string, purpose: string): Promise<{ ms: number; said: string }> {
  const isChat = purpose === "chat" || purpose === "agent";
  const began = performance.now();
  const response = await signedFetch(`${serverUrl()}/v1/${isChat ? "chat/completions" : "embeddings"}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(
      isChat
        ? { model, messages: [{ role: "user", content: "Answer with the word: ready" }], max_tokens: 64 }
        : { model, input: "ready" },
    ),
  });
  if (!response.ok) throw await openAiError(response);
  const answer = await response.json();
  return {
    ms: performance.now() - began,
    said: isChat
      ? String(answer.choices?.[0]?.message?.content ?? "")
      : `a vector of ${answer.data?.[0]?.embedding?.length ?? 0} numbers`,
  };
}

async function openAiError(response: Response): Promise<Error> {
  const body = await response.json().catch(() => null);
  const message = body?.error?.message;
  return new ApiError(
    typeof message === "string" ? message : `The server answered ${response.status}.`,
    response.status,
    "",
  );
}

export const workersQuery = queryOptions({
  queryKey: ["workers"],
  queryFn: () => data(api.GET("/v1/workers")),
  refetchInterval: OFTEN_MS,
});

export const servicesQuery = queryOptions({
  queryKey: ["services"],
  queryFn: () => data(api.GET("/v1/health/services")),
  refetchInterval: OFTEN_MS * 3,
});

export interface Readiness {
  status: string;
  database: boolean;
  worker: boolean;
  version: string;
}

/** What the process that answers says of itself; a 503 says so too. */
export const readyQuery = queryOptions({
  queryKey: ["ready"],
  queryFn: async (): Promise<Readiness> => {
    const [ready, health] = await Promise.all([fetch(`${serverUrl()}/ready`), fetch(`${serverUrl()}/health`)]);
    return { ...(await ready.json()), version: (await health.json()).version };
  },
  refetchInterval: OFTEN_MS,
});
