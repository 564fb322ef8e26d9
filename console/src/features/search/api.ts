import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";

export type Thing = Schema["FoundOut"];
export type Kind = Thing["kind"];

export const KINDS: Record<Kind, string> = {
  agent: "Agents",
  session: "Conversations",
  run: "Runs",
  knowledge_base: "Knowledge",
  document: "Documents",
  passage: "In documents",
  memory: "Memories",
  deployment: "Deployments",
};

export const searchQuery = (q: string, limit: number, kinds = "") =>
  queryOptions({
    queryKey: ["search", q, limit, kinds],
    queryFn: ({ signal }) =>
      data(api.GET("/v1/search", { params: { query: { q, limit, kinds: kinds || undefined } }, signal })),
    enabled: q !== "",
    placeholderData: keepPreviousData,
    staleTime: 5000,
  });

/** Where a thing is looked at, as a path with its search. */
export function addressOf({ kind, id, parent_id, chunk }: Thing): string {
  switch (kind) {
    case "agent":
      return `/agents/${id}`;
    case "session":
      return `/chat/${id}`;
    case "run":
      return `/runs/${id}`;
    case "knowledge_base":
      return `/knowledge/${id}`;
    case "document":
      return `/knowledge/${parent_id}?document=${id}`;
    case "passage":
      return `/knowledge/${parent_id}?document=${id}&chunk=${chunk}`;
    case "memory":
      return `/memory/facts/${id}`;
    case "deployment":
      return `/fleet/${id}`;
  }
}

/** One thing among others found: a document may say what was asked in several places. */
export const keyOf = ({ kind, id, chunk }: Thing) => [kind, id, chunk ?? ""].join("-");
