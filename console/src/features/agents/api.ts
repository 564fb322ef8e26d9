import { queryOptions } from "@tanstack/react-query";
import { api, data, type Schema } from "@/lib/api";
import { counted } from "@/lib/format";
import { listModels } from "@/lib/models";

export type Agent = Schema["AgentOut"];
export type Version = Schema["AgentVersionOut"];

export const agentsQuery = queryOptions({
  queryKey: ["agents"],
  queryFn: () => data(api.GET("/v1/agents", { params: { query: { limit: 200 } } })),
});

export const agentQuery = (agent: string) =>
  queryOptions({
    queryKey: ["agents", agent],
    queryFn: () => data(api.GET("/v1/agents/{agent}", { params: { path: { agent } } })),
  });

export const versionsQuery = (agent: string) =>
  queryOptions({
    queryKey: ["agents", agent, "versions"],
    queryFn: () => data(api.GET("/v1/agents/{agent}/versions", { params: { path: { agent } } })),
  });

/** What an agent can be given: models that chat, tools, knowledge bases. */
export const choicesQuery = queryOptions({
  queryKey: ["agents", "choices"],
  queryFn: async () => {
    const query = { limit: 500 };
    const [models, builtIn, custom, recipes, servers, operators, toolsets, bases] = await Promise.all([
      listModels(),
      data(api.GET("/v1/tools/built-in")),
      data(api.GET("/v1/tools", { params: { query } })),
      data(api.GET("/v1/tool-recipes")),
      data(api.GET("/v1/mcp-servers", { params: { query } })),
      data(api.GET("/v1/mcp-servers/operator")),
      data(api.GET("/v1/toolsets", { params: { query } })),
      data(api.GET("/v1/knowledge-bases", { params: { query } })),
    ]);
    const tools = [
      ...builtIn.data.map(({ name, description, is_default }) => ({ name, description, is_default })),
      ...[...servers.data, ...operators.data].map(({ name, title, tool_count }) =>
        every(
          name,
          tool_count ? `all ${counted(tool_count, "tool")} of ${title ?? name}` : "has not listed its tools yet",
        ),
      ),
      ...toolsets.data.map(({ name, tool_count }) => every(name, `all ${counted(tool_count, "tool")} of this toolset`)),
      ...[...recipes.data, ...custom.data.filter((tool) => tool.toolset_id === null)].map(({ name, description }) => ({
        name,
        description,
        is_default: false,
      })),
    ];
    return { models: models.data.filter((model) => model.purpose === "chat"), tools, bases: bases.data };
  },
});

const every = (name: string, description: string) => ({ name: `${name}__*`, description, is_default: false });

export const createAgent = (body: Schema["AgentBody"]) => data(api.POST("/v1/agents", { body }));

export const updateAgent = (agent: string, body: Schema["AgentChanges"]) =>
  data(api.PATCH("/v1/agents/{agent}", { params: { path: { agent } }, body }));

export const deleteAgent = (agent: string) => data(api.DELETE("/v1/agents/{agent}", { params: { path: { agent } } }));

export const promote = (agent: string, version: number) =>
  data(
    api.POST("/v1/agents/{agent}/versions/{version}/promote", {
      params: { path: { agent, version: String(version) as never } },
    }),
  );
