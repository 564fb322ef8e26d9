import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { ListTree, Trash2 } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { Button, buttonStyle } from "@/components/ui/button";
import { type Agent, agentQuery, deleteAgent } from "@/features/agents/api";
import { Editor } from "@/features/agents/editor";
import { Versions } from "@/features/agents/versions";
import { Settings } from "@/features/memory/settings";
import { createSession } from "@/features/sessions/api";
import { useRemoval } from "@/lib/removal";
import { Talk } from "@/routes/-talk";

export const Route = createFileRoute("/agents/$agent")({
  component: AgentPage,
  // The conversation that tries it, so that a reload shows it again.
  validateSearch: ({ session }: Record<string, unknown>): { session?: string } =>
    typeof session === "string" && session ? { session } : {},
});

function AgentPage() {
  const { agent: id } = Route.useParams();
  const agent = useQuery(agentQuery(id));
  return (
    <Loaded of={agent} what="the agent" title="Agent" back={{ to: "/agents", name: "All agents" }}>
      {(found) => <Found agent={found} />}
    </Loaded>
  );
}

function Found({ agent }: { agent: Agent }) {
  const navigate = useNavigate();
  const remove = useRemoval(["agents"]);
  const onRemove = () => {
    remove(agent.id, `${agent.name} is deleted. Its sessions and runs stay readable.`, () => deleteAgent(agent.id));
    void navigate({ to: "/agents" });
  };
  return (
    <Page
      title={agent.name}
      lead={`${agent.slug} · version ${agent.version}`}
      actions={
        <>
          <Link to="/runs" search={{ agent: agent.id }} className={buttonStyle()}>
            <ListTree aria-hidden /> Runs
          </Link>
          <Button onClick={onRemove} look="danger" aria-label={`Delete ${agent.name}`}>
            <Trash2 aria-hidden /> Delete
          </Button>
          <CopyCurl path={`/v1/agents/${agent.slug}`} />
        </>
      }
    >
      <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_minmax(0,26rem)]">
        <div className="min-w-0 space-y-5">
          <Editor agent={agent} onSaved={() => {}} />
          <Settings agent={agent.id} />
          <Versions agent={agent} />
        </div>
        <TestChat key={agent.id} agent={agent} />
      </div>
    </Page>
  );
}

/** A conversation with what is saved; each run takes the version that is at work then. */
function TestChat({ agent }: { agent: Agent }) {
  const { session = null } = Route.useSearch();
  const navigate = Route.useNavigate();
  const setSession = (next: string | null) =>
    void navigate({ search: next ? { session: next } : {}, replace: true, resetScroll: false });
  return (
    <Card
      title="Try it"
      className="flex h-[32rem] flex-col lg:sticky lg:top-6 lg:h-[calc(100dvh-10rem)]"
      actions={
        session && (
          <Button size="small" look="quiet" onClick={() => setSession(null)}>
            Begin anew
          </Button>
        )
      }
    >
      <Talk
        session={session}
        place={agent.id}
        onBegin={async () => {
          const made = await createSession(agent.id);
          setSession(made.id);
          return made.id;
        }}
        empty={
          <p className="text-center text-soft">
            Ask version {agent.version} something. Save first what you have changed.
          </p>
        }
      />
    </Card>
  );
}
