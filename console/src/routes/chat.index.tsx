import { useMutation, useQuery } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { Page } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { createSession } from "@/features/sessions/api";
import { toast } from "@/lib/toast";
import { Sessions } from "./chat";

export const Route = createFileRoute("/chat/")({ component: Choose });

function Choose() {
  const agents = useQuery(agentsQuery);
  const navigate = useNavigate();
  const opening = useMutation({
    mutationFn: (agent: string) => createSession(agent),
    onSuccess: (session) => navigate({ to: "/chat/$session", params: { session: session.id } }),
    onError: (error) => toast.error(error.message),
  });
  return (
    <Page title="Chat" lead="Whom do you want to talk to?" actions={<CopyCurl path="/v1/sessions" />}>
      <Shown of={agents} what="agents">
        {({ data }) =>
          data.length ? (
            <ul className="grid grid-cols-1 gap-3 sm:grid-cols-2">
              {data.map((agent) => (
                <li key={agent.id}>
                  <button
                    type="button"
                    disabled={opening.isPending}
                    className="h-full w-full rounded-xl border border-line bg-panel p-4 text-left hover:bg-raised"
                    onClick={() => opening.mutate(agent.id)}
                  >
                    <span className="block truncate font-semibold">{agent.name}</span>
                    <span className="line-clamp-2 text-sm text-soft">
                      {agent.description || agent.model || "default model"}
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          ) : (
            <Empty
              title="There is no agent to talk to"
              action={
                <Link to="/agents/new" className={buttonStyle({ look: "main" })}>
                  Make one
                </Link>
              }
            />
          )
        }
      </Shown>
      <div className="mt-8 lg:hidden">
        <h2 className="font-semibold">Conversations</h2>
        <Sessions />
      </div>
    </Page>
  );
}
