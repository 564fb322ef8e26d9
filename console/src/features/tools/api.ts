import { queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";
import type { LogEvent } from "@/lib/log";

export type BuiltIn = Schema["BuiltInToolOut"];
export type Custom = Schema["ToolOut"];
export type Server = Schema["McpServerOut"];
export type ServerTool = Schema["McpToolOut"];
export type Toolset = Schema["ToolsetOut"];
export type Recipe = Schema["RecipeOut"];
export type Permission = Custom["permission"];
export type Effect = Custom["effect"];
export type Outcome = Awaited<ReturnType<typeof importOpenApi>>;

const MOST = 500;

export const builtInQuery = queryOptions({
  queryKey: ["tools", "built-in"],
  queryFn: () => data(api.GET("/v1/tools/built-in")),
});

export const customQuery = queryOptions({
  queryKey: ["tools", "custom"],
  queryFn: () => data(api.GET("/v1/tools", { params: { query: { limit: MOST } } })),
});

/** The workspace's servers and the operator's; asked again while one has not answered yet. */
export const serversQuery = queryOptions({
  queryKey: ["tools", "servers"],
  queryFn: async () => {
    const [own, operators] = await Promise.all([
      data(api.GET("/v1/mcp-servers", { params: { query: { limit: MOST } } })),
      data(api.GET("/v1/mcp-servers/operator")),
    ]);
    return { own: own.data, operators: operators.data };
  },
  refetchInterval: ({ state }) => (state.data?.own.some((each) => each.status === "pending") ? 1500 : false),
});

export const serverQuery = (mcp_server: string) =>
  queryOptions({
    queryKey: ["tools", "servers", mcp_server],
    queryFn: () => data(api.GET("/v1/mcp-servers/{mcp_server}", { params: { path: { mcp_server } } })),
    refetchInterval: ({ state }) =>
      state.data?.status === "pending" || state.data?.status === "needs_authorization" ? 2500 : false,
  });

/** listedAt: when it listed them last, so that a newer list is asked for. */
export const serverToolsQuery = (mcp_server: string, listedAt: string | null = null) =>
  queryOptions({
    queryKey: ["tools", "servers", mcp_server, "tools", listedAt],
    queryFn: () => data(api.GET("/v1/mcp-servers/{mcp_server}/tools", { params: { path: { mcp_server } } })),
  });

export const operatorToolsQuery = queryOptions({
  queryKey: ["tools", "operator"],
  queryFn: () => data(api.GET("/v1/mcp-servers/operator/tools")),
});

export const toolsetsQuery = queryOptions({
  queryKey: ["tools", "toolsets"],
  queryFn: () => data(api.GET("/v1/toolsets", { params: { query: { limit: MOST } } })),
});

export const toolsetQuery = (toolset: string) =>
  queryOptions({
    queryKey: ["tools", "toolsets", toolset],
    queryFn: () => data(api.GET("/v1/toolsets/{toolset}", { params: { path: { toolset } } })),
  });

export const toolsetToolsQuery = (toolset: string) =>
  queryOptions({
    queryKey: ["tools", "toolsets", toolset, "tools"],
    queryFn: () => data(api.GET("/v1/toolsets/{toolset}/tools", { params: { path: { toolset } } })),
  });

export const recipesQuery = queryOptions({
  queryKey: ["tools", "recipes"],
  queryFn: () => data(api.GET("/v1/tool-recipes")),
});

export const recipeVersionsQuery = (recipe: string) =>
  queryOptions({
    queryKey: ["tools", "recipes", recipe, "versions"],
    queryFn: () => data(api.GET("/v1/tool-recipes/{recipe}/versions", { params: { path: { recipe } } })),
  });

export const createServer = (body: Schema["McpServerBody"]) => data(api.POST("/v1/mcp-servers", { body }));

export const updateServer = (mcp_server: string, body: Schema["McpServerChanges"]) =>
  data(api.PATCH("/v1/mcp-servers/{mcp_server}", { params: { path: { mcp_server } }, body }));

export const deleteServer = (mcp_server: string) =>
  data(api.DELETE("/v1/mcp-servers/{mcp_server}", { params: { path: { mcp_server } } }));

export const refreshServer = (mcp_server: string) =>
  data(api.POST("/v1/mcp-servers/{mcp_server}/refresh", { params: { path: { mcp_server } } }));

export const beginSignIn = (mcp_server: string, body: Schema["SignInBody"]) =>
  data(api.POST("/v1/mcp-servers/{mcp_server}/sign-in", { params: { path: { mcp_server } }, body }));

export const signOut = (mcp_server: string) =>
  data(api.DELETE("/v1/mcp-servers/{mcp_server}/sign-in", { params: { path: { mcp_server } } }));

export const createTool = (body: Schema["ToolBody"]) => data(api.POST("/v1/tools", { body }));

export const updateTool = (tool: string, body: Schema["ToolChanges"]) =>
  data(api.PATCH("/v1/tools/{tool}", { params: { path: { tool } }, body }));

export const deleteTool = (tool: string) => data(api.DELETE("/v1/tools/{tool}", { params: { path: { tool } } }));

export const importOpenApi = (body: Schema["OpenApiBody"]) => data(api.POST("/v1/toolsets/openapi", { body }));

export const updateToolset = (toolset: string, body: Schema["BundleChanges"]) =>
  data(api.PATCH("/v1/toolsets/{toolset}", { params: { path: { toolset } }, body }));

export const deleteToolset = (toolset: string) =>
  data(api.DELETE("/v1/toolsets/{toolset}", { params: { path: { toolset } } }));

export const createRecipe = (body: Schema["RecipeBody"]) => data(api.POST("/v1/tool-recipes", { body }));

export const updateRecipe = (recipe: string, body: Schema["RecipeChanges"]) =>
  data(api.PATCH("/v1/tool-recipes/{recipe}", { params: { path: { recipe } }, body }));

export const deleteRecipe = (recipe: string) =>
  data(api.DELETE("/v1/tool-recipes/{recipe}", { params: { path: { recipe } } }));

export const beginTrial = (tool: string, given: Record<string, unknown>) =>
  data(api.POST("/v1/runs", { body: { tool, arguments: given } }));

const OPEN = ["queued", "running", "waiting"];

/** A run that is one tool call, with its events; asked again while it goes on. */
export const trialQuery = (run: string) =>
  queryOptions({
    queryKey: ["tools", "trial", run],
    queryFn: async () => {
      const path = { run };
      const found = await data(api.GET("/v1/runs/{run}", { params: { path } }));
      const { data: events } = await data(
        api.GET("/v1/runs/{run}/events", { params: { path, query: { limit: 100 } } }),
      );
      return { run: found, events: events as LogEvent[] };
    },
    refetchInterval: ({ state }) => (!state.data || OPEN.includes(state.data.run.status) ? 500 : false),
  });
