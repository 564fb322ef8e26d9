import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { Page } from "@/components/page";
import { Pills, pillOptions, pillStyle } from "@/components/pills";
import { HttpForm } from "@/features/tools/http-form";
import { OpenApiForm } from "@/features/tools/openapi-form";
import { RecipeForm } from "@/features/tools/recipe-form";
import { ServerForm } from "@/features/tools/server-form";

const KINDS = { mcp: "MCP server", openapi: "OpenAPI document", http: "HTTP tool", recipe: "recipe" };
type Kind = keyof typeof KINDS;
const NAMES = Object.keys(KINDS) as Kind[];

export const Route = createFileRoute("/tools/new")({
  component: NewTool,
  validateSearch: ({ kind }: Record<string, unknown>): { kind?: Kind } => ({
    kind: NAMES.find((each) => each === kind),
  }),
});

function NewTool() {
  const kind = Route.useSearch().kind ?? "mcp";
  const navigate = useNavigate();
  const open = (tool: string) => void navigate({ to: "/tools/named/$tool", params: { tool } });
  return (
    <Page title="Add tools">
      <Pills name="Kinds">
        {NAMES.map((each) => (
          <Link key={each} to="/tools/new" search={{ kind: each }} className={pillStyle} activeOptions={pillOptions}>
            {KINDS[each]}
          </Link>
        ))}
      </Pills>
      <div className="max-w-3xl space-y-4">
        {kind === "mcp" && (
          <ServerForm
            onMade={(server) => void navigate({ to: "/tools/servers/$server", params: { server: server.id ?? "" } })}
          />
        )}
        {kind === "openapi" && (
          <OpenApiForm
            onMade={(made) => void navigate({ to: "/tools/toolsets/$toolset", params: { toolset: made.id } })}
          />
        )}
        {kind === "http" && <HttpForm tool={null} onSaved={(tool) => open(tool.name)} />}
        {kind === "recipe" && <RecipeForm onMade={(recipe) => open(recipe.name)} />}
        <p className="text-sm text-soft">
          Databases that agents may read are named by whoever runs this server, in{" "}
          <span className="font-mono">GLIA_SQL_DATABASES</span>; then sql_query and sql_schema are among the built-in
          tools.
        </p>
      </div>
    </Page>
  );
}
