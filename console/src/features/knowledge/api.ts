import { queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";
import { send } from "@/lib/upload";

export type Base = Schema["BaseOut"];
export type Document = Schema["DocumentOut"];
export type Hit = Schema["HitOut"];

export const basesQuery = queryOptions({
  queryKey: ["knowledge"],
  queryFn: () => data(api.GET("/v1/knowledge-bases", { params: { query: { limit: 200 } } })),
});

export const baseQuery = (knowledge_base: string) =>
  queryOptions({
    queryKey: ["knowledge", knowledge_base],
    queryFn: () => data(api.GET("/v1/knowledge-bases/{knowledge_base}", { params: { path: { knowledge_base } } })),
  });

const WATCH_MS = 700;

/** Documents, asked for again while one of them is being processed. */
export const documentsQuery = (knowledge_base: string) =>
  queryOptions({
    queryKey: ["knowledge", knowledge_base, "documents"],
    queryFn: () =>
      data(
        api.GET("/v1/knowledge-bases/{knowledge_base}/documents", {
          params: { path: { knowledge_base }, query: { limit: 500 } },
        }),
      ),
    refetchInterval: ({ state }) => (state.data?.data.some((each) => each.status === "processing") ? WATCH_MS : false),
  });

export const chunksQuery = (knowledge_base: string, document: string) =>
  queryOptions({
    queryKey: ["knowledge", knowledge_base, "chunks", document],
    queryFn: () =>
      data(
        api.GET("/v1/knowledge-bases/{knowledge_base}/documents/{document}/chunks", {
          params: { path: { knowledge_base, document }, query: { limit: "1000" } as never },
        }),
      ),
  });

export const createBase = (name: string) =>
  data(
    api.POST("/v1/knowledge-bases", {
      body: { name, description: "", text_config: "auto", dense_weight: 1.5, lexical_weight: 1 },
    }),
  );

export const deleteBase = (knowledge_base: string) =>
  data(api.DELETE("/v1/knowledge-bases/{knowledge_base}", { params: { path: { knowledge_base } } }));

export const deleteDocument = (knowledge_base: string, document: string) =>
  data(
    api.DELETE("/v1/knowledge-bases/{knowledge_base}/documents/{document}", {
      params: { path: { knowledge_base, document } },
    }),
  );

export const search = (knowledge_base: string, query: string) =>
  data(
    api.POST("/v1/knowledge-bases/{knowledge_base}/search", {
      params: { path: { knowledge_base } },
      body: { query, limit: 10, rerank: true, previous: [] },
    }),
  );

/** Sends a file; tells how much of it has gone, from 0 to 1. */
export function upload(base: string, file: File, onProgress: (share: number) => void): Promise<Document> {
  const form = new FormData();
  form.append("file", file);
  return send(`/v1/knowledge-bases/${base}/documents`, form, onProgress);
}
