import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";

export type Memory = Schema["MemoryOut"];
export type FoundMemory = Schema["FoundMemoryOut"];
export type MemoryVersion = Schema["MemoryVersionOut"];
export type Block = Schema["BlockOut"];
export type BlockVersion = Schema["BlockVersionOut"];
export type Conflict = Schema["ConflictOut"];
export type MemorySettings = Omit<Awaited<ReturnType<typeof readSettings>>, "tended_at">;

export const TIERS = ["working", "short", "long"] as const;
export type Tier = (typeof TIERS)[number];

/** What a list shows; what is left away does not filter. */
export interface Filter {
  agent_id?: string;
  user_name?: string;
  bucket?: string;
  tier?: Tier;
  status?: string;
}

const PAGE = 50;

export const memoriesQuery = (filter: Filter) =>
  infiniteQueryOptions({
    queryKey: ["memories", filter],
    queryFn: ({ pageParam }) =>
      data(api.GET("/v1/memories", { params: { query: { ...filter, limit: PAGE, cursor: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const searchQuery = (query: string, { agent_id, user_name, bucket, tier }: Filter) =>
  queryOptions({
    queryKey: ["memories", "search", query, agent_id, user_name, bucket, tier],
    queryFn: () =>
      data(api.POST("/v1/memories/search", { body: { query, agent_id, user_name, bucket, tier, limit: 20 } })),
    enabled: query !== "",
  });

export const memoryQuery = (memory: string) =>
  queryOptions({
    queryKey: ["memories", memory],
    queryFn: () => data(api.GET("/v1/memories/{memory}", { params: { path: { memory } } })),
  });

export const memoryVersionsQuery = (memory: string) =>
  queryOptions({
    queryKey: ["memories", memory, "versions"],
    queryFn: () => data(api.GET("/v1/memories/{memory}/versions", { params: { path: { memory } } })),
  });

/** Each time that an agent found it. */
export const findsQuery = (memory: string) =>
  infiniteQueryOptions({
    queryKey: ["memories", memory, "finds"],
    queryFn: ({ pageParam }) =>
      data(
        api.GET("/v1/memories/{memory}/finds", {
          params: { path: { memory }, query: { limit: PAGE, cursor: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const conflictsQuery = (agent_id?: string) =>
  queryOptions({
    queryKey: ["memories", "conflicts", agent_id],
    queryFn: () => data(api.GET("/v1/memories/conflicts", { params: { query: { agent_id, limit: 100 } } })),
  });

export const createMemory = (body: Schema["MemoryBody"]) => data(api.POST("/v1/memories", { body }));

export const updateMemory = (memory: string, body: Schema["MemoryChanges"]) =>
  data(api.PATCH("/v1/memories/{memory}", { params: { path: { memory } }, body }));

export const deleteMemory = (memory: string) =>
  data(api.DELETE("/v1/memories/{memory}", { params: { path: { memory } } }));

export const undoMemory = (memory: string) =>
  data(api.POST("/v1/memories/{memory}/undo", { params: { path: { memory } } }));

export const rateMemory = (memory: string, is_useful: boolean) =>
  data(api.POST("/v1/memories/{memory}/feedback", { params: { path: { memory } }, body: { is_useful, comment: "" } }));

export const resolveConflict = (conflict: string, keep: "newer" | "older" | "both") =>
  data(api.POST("/v1/memories/conflicts/{conflict}/resolve", { params: { path: { conflict } }, body: { keep } }));

/** deleted: those that can be brought back. */
export const blocksQuery = (agent_id?: string, deleted = false) =>
  queryOptions({
    queryKey: ["memory-blocks", { agent_id, deleted }],
    queryFn: () => data(api.GET("/v1/memory-blocks", { params: { query: { agent_id, deleted, limit: 200 } } })),
  });

export const blockQuery = (block: string) =>
  queryOptions({
    queryKey: ["memory-blocks", block],
    queryFn: () => data(api.GET("/v1/memory-blocks/{block}", { params: { path: { block } } })),
  });

export const blockVersionsQuery = (block: string) =>
  queryOptions({
    queryKey: ["memory-blocks", block, "versions"],
    queryFn: () => data(api.GET("/v1/memory-blocks/{block}/versions", { params: { path: { block } } })),
  });

export const createBlock = (body: Schema["BlockBody"]) => data(api.POST("/v1/memory-blocks", { body }));

export const updateBlock = (block: string, body: Schema["BlockChanges"]) =>
  data(api.PATCH("/v1/memory-blocks/{block}", { params: { path: { block } }, body }));

export const deleteBlock = (block: string) =>
  data(api.DELETE("/v1/memory-blocks/{block}", { params: { path: { block } } }));

export const restoreBlock = (block: string) =>
  data(api.POST("/v1/memory-blocks/{block}/restore", { params: { path: { block } } }));

export const undoBlock = (block: string) =>
  data(api.POST("/v1/memory-blocks/{block}/undo", { params: { path: { block } } }));

export const pinBlock = (block: string, agent: string, isPinned: boolean) => {
  const params = { path: { block, agent } };
  return isPinned
    ? data(api.PUT("/v1/memory-blocks/{block}/agents/{agent}", { params }))
    : data(api.DELETE("/v1/memory-blocks/{block}/agents/{agent}", { params }));
};

const readSettings = (agent: string) =>
  data(api.GET("/v1/agents/{agent}/memory/settings", { params: { path: { agent } } }));

export const settingsQuery = (agent: string) =>
  queryOptions({ queryKey: ["agents", agent, "memory-settings"], queryFn: () => readSettings(agent) });

export const saveSettings = (agent: string, body: MemorySettings) =>
  data(api.PUT("/v1/agents/{agent}/memory/settings", { params: { path: { agent } }, body }));

export const tend = (agent: string) =>
  data(api.POST("/v1/agents/{agent}/memory/tend", { params: { path: { agent } } }));

const MOST_EXPORTED = 10_000;

/** Every memory that fits, up to 10,000, and whether there were more. */
export async function everyMemory(filter: Filter): Promise<{ memories: Memory[]; hasMore: boolean }> {
  const memories: Memory[] = [];
  let cursor: string | undefined;
  do {
    const page = await data(api.GET("/v1/memories", { params: { query: { ...filter, limit: 1000, cursor } } }));
    memories.push(...page.data);
    cursor = page.next_cursor ?? undefined;
  } while (cursor && memories.length < MOST_EXPORTED);
  return { memories, hasMore: cursor !== undefined };
}
