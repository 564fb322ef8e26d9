import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { Code } from "@/components/code";
import { CopyCurl } from "@/components/copy-curl";
import { Facts, linkStyle } from "@/components/facts";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { Empty } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { Decide } from "@/features/approvals/decide";
import { deleteRecipe, deleteTool } from "@/features/tools/api";
import { catalogueQuery, type Entry } from "@/features/tools/catalogue";
import { HttpForm } from "@/features/tools/http-form";
import { inWords } from "@/features/tools/permission";
import { RecipeCard } from "@/features/tools/recipe-card";
import { Trial } from "@/features/tools/trial";
import { pretty } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { toast } from "@/lib/toast";

export const Route = createFileRoute("/tools/named/$tool")({ component: ToolPage });

function ToolPage() {
  const { tool } = Route.useParams();
  const catalogue = useQuery(catalogueQuery(useQueryClient()));
  return (
    <Loaded of={catalogue} what="the tool" title="Tool" back={{ to: "/tools", name: "All tools" }}>
      {(entries) => {
        const entry = entries.find((each) => each.name === tool);
        return entry ? <Found key={tool} entry={entry} /> : <Gone name={tool} />;
      }}
    </Loaded>
  );
}

const Gone = ({ name }: { name: string }) => (
  <Page title="No such tool">
    <Empty
      title={`There is no tool ${name}`}
      action={
        <Link to="/tools" className={buttonStyle()}>
          All tools
        </Link>
      }
    >
      It was deleted, or its connection does not list it any more.
    </Empty>
  </Page>
);

const EFFECTS = { read: "only reads", idempotent: "twice is as once", once: "must not happen twice" };

function Found({ entry }: { entry: Entry }) {
  return (
    <Page
      title={<span className="font-mono text-xl break-all">{entry.name}</span>}
      lead={entry.description}
      actions={
        <>
          <Removal entry={entry} />
          <CopyCurl method="POST" path="/v1/runs" body={{ tool: entry.name, arguments: {} }} />
        </>
      }
    >
      <div className="grid items-start gap-5 lg:grid-cols-2">
        <Card title="Try it">
          {entry.isUsable ? (
            <Trial
              tool={entry.name}
              schema={entry.schema}
              approval={(id, given) => <Decide id={id} tool={entry.name} given={given} />}
            />
          ) : (
            <p className="p-4 text-soft">It is switched off, so nobody can call it.</p>
          )}
        </Card>
        <div className="min-w-0 space-y-5">
          <Card title="About it">
            <div className="space-y-4 p-4">
              <Facts
                of={[
                  ["comes from", <Source key="source" entry={entry} />],
                  ["a second call", entry.effect && EFFECTS[entry.effect]],
                  ["agents may", entry.permission ? inWords(entry.permission) : "what each agent is allowed"],
                  ["secret headers", entry.custom?.http.header_names.join(", ")],
                ]}
              />
              <Code name="Schema of its arguments" text={pretty(entry.schema)} className="max-h-96" />
            </div>
          </Card>
          {entry.recipe && <RecipeCard recipe={entry.recipe} />}
          {entry.custom && <Changing key={entry.custom.updated_at} entry={entry} />}
        </div>
      </div>
    </Page>
  );
}

function Changing({ entry }: { entry: Entry }) {
  const navigate = useNavigate();
  if (!entry.custom) return null;
  return (
    <HttpForm
      tool={entry.custom}
      onSaved={(saved) => {
        toast.success("The tool is changed.");
        if (saved.name !== entry.name) void navigate({ to: "/tools/named/$tool", params: { tool: saved.name } });
      }}
    />
  );
}

function Source({ entry }: { entry: Entry }) {
  if (entry.server?.id) {
    return (
      <Link to="/tools/servers/$server" params={{ server: entry.server.id }} className={linkStyle}>
        {entry.server.title ?? entry.server.name}
      </Link>
    );
  }
  if (entry.custom?.toolset_id) {
    return (
      <Link to="/tools/toolsets/$toolset" params={{ toolset: entry.custom.toolset_id }} className={linkStyle}>
        an OpenAPI document
      </Link>
    );
  }
  if (entry.server) return <>{entry.server.name}, a connection of this server's operator</>;
  if (entry.custom) return <>{`${entry.custom.http.method} ${entry.custom.http.url}`}</>;
  return <>{entry.kind === "recipe" ? "a recipe" : "this server"}</>;
}

function Removal({ entry }: { entry: Entry }) {
  const navigate = useNavigate();
  const remove = useRemoval(["tools"]);
  const onRemove = () => {
    remove(entry.name, `${entry.name} is deleted. Agents that still name it are told so.`, () =>
      entry.custom ? deleteTool(entry.custom.id) : deleteRecipe(entry.name),
    );
    void navigate({ to: "/tools" });
  };
  if (!entry.custom && !entry.recipe) return null;
  return (
    <Button onClick={onRemove} look="danger">
      <Trash2 aria-hidden /> Delete
    </Button>
  );
}
