import type { QueryClient } from "@tanstack/react-query";
import { queryOptions } from "@tanstack/react-query";
import {
  builtInQuery,
  type Custom,
  customQuery,
  type Effect,
  operatorToolsQuery,
  type Permission,
  type Recipe,
  recipesQuery,
  type Server,
  type ServerTool,
  serversQuery,
  serverToolsQuery,
} from "./api";

export const KINDS = ["built in", "connection", "own", "toolset", "recipe"] as const;
export type Kind = (typeof KINDS)[number];

/** A tool as agents name it, wherever it comes from. permission: null where each agent decides for itself. */
export interface Entry {
  name: string;
  description: string;
  schema: Record<string, unknown>;
  kind: Kind;
  effect: Effect | null;
  permission: Permission | null;
  isUsable: boolean;
  /** What it belongs to. */
  server?: Server;
  ownName?: string;
  custom?: Custom;
  recipe?: Recipe;
}

/** Every tool that agents of the workspace can be given, and what could not be asked for them. */
export const catalogueQuery = (queries: QueryClient) =>
  queryOptions({
    queryKey: ["tools", "catalogue"],
    queryFn: async () => {
      const [builtIn, custom, recipes, servers] = await Promise.all([
        queries.fetchQuery(builtInQuery),
        queries.fetchQuery(customQuery),
        queries.fetchQuery(recipesQuery),
        queries.fetchQuery(serversQuery),
      ]);
      const listed = await Promise.all([
        ...servers.own.filter((server) => server.tool_count > 0).map((server) => entriesOf(queries, server)),
        operatorEntries(queries, servers.operators),
      ]);
      return [
        ...builtIn.data.map(
          (tool): Entry => ({ ...tool, kind: "built in", permission: null, isUsable: true, schema: tool.schema }),
        ),
        ...custom.data.map(
          (tool): Entry => ({ ...tool, kind: tool.toolset_id ? "toolset" : "own", isUsable: true, custom: tool }),
        ),
        ...recipes.data.map(
          (recipe): Entry => ({
            name: recipe.name,
            description: recipe.description,
            schema: recipe.schema as Record<string, unknown>,
            kind: "recipe",
            effect: null,
            permission: null,
            isUsable: recipe.is_enabled,
            recipe,
          }),
        ),
        ...listed.flat(),
      ];
    },
  });

async function entriesOf(queries: QueryClient, server: Server): Promise<Entry[]> {
  const { data } = await queries.fetchQuery(serverToolsQuery(server.id ?? ""));
  return data.map((tool) => listedEntry(tool, server));
}

async function operatorEntries(queries: QueryClient, servers: Server[]): Promise<Entry[]> {
  if (!servers.length) return [];
  const { data } = await queries.fetchQuery(operatorToolsQuery);
  return data.flatMap((tool) => {
    const server = servers.find((each) => tool.name.startsWith(`${each.name}__`));
    return server ? [listedEntry(tool, server)] : [];
  });
}

const listedEntry = (tool: ServerTool, server: Server): Entry => ({
  ...tool,
  ownName: tool.own_name,
  kind: "connection",
  isUsable: tool.is_allowed && server.is_enabled,
  server,
});
