import { queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";

export type Approval = Schema["ApprovalOut"];

const WATCH_MS = 3000;

export const pendingQuery = queryOptions({
  queryKey: ["approvals", "pending"],
  queryFn: () => data(api.GET("/v1/approvals", { params: { query: { status: "pending", limit: 100 } } })),
  refetchInterval: WATCH_MS,
});

export const decidedQuery = queryOptions({
  queryKey: ["approvals", "all"],
  queryFn: () => data(api.GET("/v1/approvals", { params: { query: { limit: 50 } } })),
  refetchInterval: WATCH_MS * 3,
});

export interface Decision {
  decision: "approved" | "denied";
  arguments?: Record<string, unknown>;
  note?: string;
  always?: boolean;
}

export const decide = (approval: string, decision: Decision) =>
  data(
    api.POST("/v1/approvals/{approval}/decide", {
      params: { path: { approval } },
      body: { note: "", always: false, ...decision },
    }),
  );
