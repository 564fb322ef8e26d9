import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";

export type Trigger = Schema["TriggerOut"];
export type Firing = Schema["FiringOut"];
export type When = Schema["WhenBody"];
export type Kind = When["kind"];

const OFTEN_MS = 5000;

export const triggersQuery = queryOptions({
  queryKey: ["triggers"],
  queryFn: () => data(api.GET("/v1/triggers", { params: { query: { limit: 200 } } })),
  refetchInterval: OFTEN_MS,
});

export const triggerQuery = (trigger: string) =>
  queryOptions({
    queryKey: ["triggers", trigger],
    queryFn: () => data(api.GET("/v1/triggers/{trigger}", { params: { path: { trigger } } })),
    refetchInterval: OFTEN_MS,
  });

export const firingsQuery = (trigger: string) =>
  infiniteQueryOptions({
    queryKey: ["triggers", trigger, "firings"],
    queryFn: ({ pageParam }) =>
      data(
        api.GET("/v1/triggers/{trigger}/firings", {
          params: { path: { trigger }, query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: OFTEN_MS / 2,
  });

export const timesQuery = (trigger: string) =>
  queryOptions({
    queryKey: ["triggers", trigger, "times"],
    queryFn: () =>
      data(api.GET("/v1/triggers/{trigger}/preview", { params: { path: { trigger }, query: { count: 5 } } })),
    refetchInterval: OFTEN_MS * 4,
  });

export const previewQuery = (when: When | null) =>
  queryOptions({
    queryKey: ["triggers", "preview", when],
    queryFn: () => data(api.POST("/v1/triggers/preview", { body: { when: when as When, count: 3 } })),
    enabled: when !== null,
    retry: false,
  });

/** What a form says of a trigger. */
export interface TriggerForm {
  name: string;
  agent_id?: string;
  message?: string;
  workflow_id?: string;
  input?: unknown;
  when?: When;
  overlap: Trigger["overlap"];
  missed: Trigger["missed"];
  max_failures: number | null;
}

export const createTrigger = (body: TriggerForm & { when: When }) =>
  data(api.POST("/v1/triggers", { body: body as unknown as Schema["TriggerBody"] }));

export const changeTrigger = (trigger: string, body: Partial<TriggerForm>) =>
  data(
    api.PATCH("/v1/triggers/{trigger}", {
      params: { path: { trigger } },
      body: body as unknown as Schema["TriggerChanges"],
    }),
  );

export const deleteTrigger = (trigger: string) =>
  data(api.DELETE("/v1/triggers/{trigger}", { params: { path: { trigger } } }));

export const pauseTrigger = (trigger: string) =>
  data(api.POST("/v1/triggers/{trigger}/pause", { params: { path: { trigger } } }));

export const resumeTrigger = (trigger: string) =>
  data(api.POST("/v1/triggers/{trigger}/resume", { params: { path: { trigger } } }));

export const fireTrigger = (trigger: string) =>
  data(api.POST("/v1/triggers/{trigger}/fire", { params: { path: { trigger } } }));

export const renewSecret = (trigger: string) =>
  data(api.POST("/v1/triggers/{trigger}/secret", { params: { path: { trigger } } }));
