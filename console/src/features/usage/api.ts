import { queryOptions } from "@tanstack/react-query";
import { api, data } from "@/lib/api";

export const todayQuery = queryOptions({
  queryKey: ["usage", "today"],
  queryFn: () => {
    const since = `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;
    return data(api.GET("/v1/usage", { params: { query: { since, group_by: "model" } } }));
  },
  refetchInterval: 10_000,
});

export const budgetsQuery = queryOptions({
  queryKey: ["budgets"],
  queryFn: () => data(api.GET("/v1/budgets", { params: { query: { scope: "workspace", limit: 20 } as never } })),
  refetchInterval: 10_000,
});
