import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";

export type UsageRow = Schema["UsageRowOut"];
export type UsageRecord = Schema["UsageRecordOut"];
export type Budget = Schema["BudgetOut"];
export type Hold = Schema["HoldOut"];
export type Suspension = Schema["SuspensionOut"];
export type Transaction = Schema["TransactionOut"];
export type Grouping = "model" | "agent" | "day" | "key" | "run" | "project";

/** Calls of these only; `none` for those without an agent, key or run. */
export interface Only {
  since?: string;
  until?: string;
  model?: string;
  agent_id?: string;
  key_id?: string;
  run_id?: string;
  root_run_id?: string;
  session_id?: string;
  project_id?: string;
  status?: "ok" | "cancelled" | "failed";
  is_priced?: boolean;
}

const OFTEN_MS = 10_000;

export const todayQuery = queryOptions({
  queryKey: ["usage", "today"],
  queryFn: () => {
    const since = `${new Date().toISOString().slice(0, 10)}T00:00:00Z`;
    return data(api.GET("/v1/usage", { params: { query: { since, group_by: "model" } } }));
  },
  refetchInterval: OFTEN_MS,
});

export const usageQuery = (group_by: Grouping, only: Only) =>
  queryOptions({
    queryKey: ["usage", group_by, only],
    queryFn: () => data(api.GET("/v1/usage", { params: { query: { group_by, ...only } } })),
    refetchInterval: OFTEN_MS * 3,
  });

export const recordsQuery = (only: Only) =>
  infiniteQueryOptions({
    queryKey: ["usage", "records", only],
    queryFn: ({ pageParam }) =>
      data(
        api.GET("/v1/usage/records", {
          params: { query: { ...only, limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });

export const budgetsQuery = queryOptions({
  queryKey: ["budgets"],
  queryFn: () => data(api.GET("/v1/budgets", { params: { query: { scope: "workspace", limit: 20 } } })),
  refetchInterval: OFTEN_MS,
});

export const allBudgetsQuery = queryOptions({
  queryKey: ["budgets", "all"],
  queryFn: () => data(api.GET("/v1/budgets", { params: { query: { limit: 200 } } })),
  refetchInterval: OFTEN_MS,
});

export const budgetQuery = (budget: string) =>
  queryOptions({
    queryKey: ["budgets", budget],
    queryFn: () => data(api.GET("/v1/budgets/{budget}", { params: { path: { budget } } })),
    refetchInterval: OFTEN_MS / 2,
  });

export const waitingQuery = (budget_id?: string) =>
  queryOptions({
    queryKey: ["budgets", "waiting", budget_id ?? ""],
    queryFn: () =>
      data(api.GET("/v1/budgets/waiting", { params: { query: { limit: 100, ...(budget_id ? { budget_id } : {}) } } })),
    refetchInterval: OFTEN_MS / 2,
  });

export const holdsQuery = (budget?: string) =>
  queryOptions({
    queryKey: ["budgets", "holds", budget ?? ""],
    queryFn: () =>
      budget
        ? data(api.GET("/v1/budgets/{budget}/holds", { params: { path: { budget }, query: { limit: 100 } } }))
        : data(api.GET("/v1/budgets/holds", { params: { query: { limit: 100 } } })),
    refetchInterval: OFTEN_MS / 2,
  });

export type BudgetBody = Schema["BudgetBody"];
export type BudgetChanges = Partial<
  Pick<Budget, "name" | "limit_micros" | "limit_tokens" | "limit_calls" | "is_active" | "warn_at_percent">
>;

export const createBudget = (body: Partial<BudgetBody> & Pick<BudgetBody, "scope">) =>
  data(api.POST("/v1/budgets", { body: body as BudgetBody }));

export const changeBudget = (budget: string, body: BudgetChanges) =>
  data(api.PATCH("/v1/budgets/{budget}", { params: { path: { budget } }, body: body as Schema["BudgetChanges"] }));

export const deleteBudget = (budget: string) =>
  data(api.DELETE("/v1/budgets/{budget}", { params: { path: { budget } } }));

export const creditQuery = queryOptions({
  queryKey: ["credits"],
  queryFn: () => data(api.GET("/v1/credits")),
  refetchInterval: OFTEN_MS,
});

export const ACCOUNTS = ["balance", "held", "spent", "granted", "adjusted", "shortfall"] as const;
export type Account = (typeof ACCOUNTS)[number];

export const transactionsQuery = (account?: Account) =>
  infiniteQueryOptions({
    queryKey: ["credits", "transactions", account ?? ""],
    queryFn: ({ pageParam }) =>
      data(
        api.GET("/v1/credits/transactions", {
          params: { query: { limit: 100, account, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });

export const switchCredits = (is_enabled: boolean) => data(api.PUT("/v1/credits", { body: { is_enabled } }));

export const postCredit = (amount_micros: number, note: string) =>
  amount_micros > 0
    ? data(api.POST("/v1/credits/grants", { body: { amount_micros, note } }))
    : data(api.POST("/v1/credits/adjustments", { body: { amount_micros, note } }));

export const resumeWith = (run: string, max_cost_micros: number | null) =>
  data(api.POST("/v1/runs/{run}/resume", { params: { path: { run } }, body: { max_cost_micros } }));
