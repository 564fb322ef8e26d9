import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Page } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { ago } from "@/lib/format";
import { useHidden } from "@/lib/undo";

export const Route = createFileRoute("/agents/")({ component: Agents });

function Agents() {
  const agents = useQuery(agentsQuery);
  const hidden = useHidden();
  const making = (
    <Link to="/agents/new" className={buttonStyle({ look: "main" })}>
      <Plus aria-hidden /> New agent
    </Link>
  );
  return (
    <Page
      title="Agents"
      lead="Instructions, a model, knowledge and tools."
      actions={
        <>
          <CopyCurl path="/v1/agents" />
          {making}
        </>
      }
    >
      <Shown of={agents} what="agents">
        {({ data: all }) => {
          const data = all.filter(({ id }) => !hidden.has(id));
          return data.length ? (
            <ul className="grid grid-cols-1 gap-3 sm:grid-cols-2 lg:grid-cols-3">
              {data.map((agent) => (
                <li key={agent.id}>
                  <Link
                    to="/agents/$agent"
                    params={{ agent: agent.slug }}
                    className="flex h-full flex-col gap-1 rounded-xl border border-line bg-panel p-4 hover:bg-raised"
                  >
                    <span className="truncate font-semibold">{agent.name}</span>
                    <span className="line-clamp-2 flex-1 text-sm text-soft">
                      {agent.description || agent.instructions || "No instructions yet."}
                    </span>
                    <span className="truncate pt-1 text-sm text-soft">
                      {agent.model ?? "default model"} · version {agent.version} · {ago(agent.updated_at)}
                    </span>
                  </Link>
                </li>
              ))}
            </ul>
          ) : (
            <Empty title="No agents yet" action={making}>
              An agent answers with your documents and tools.
            </Empty>
          );
        }}
      </Shown>
    </Page>
  );
}
