import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import { useRef } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { buttonStyle } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { nameSession, sessionQuery, titleOf } from "@/features/sessions/api";
import { cn } from "@/lib/cn";
import { useTitleOf } from "@/lib/title";
import { Talk } from "./-talk";

export const Route = createFileRoute("/chat/$session")({ component: SessionPage });

function SessionPage() {
  const { session: id } = Route.useParams();
  const session = useQuery(sessionQuery(id));
  const heading = useRef<HTMLHeadingElement>(null);
  useTitleOf(heading);
  const queries = useQueryClient();
  const naming = useMutation({
    mutationFn: (text: string) => nameSession(id, titleOf(text)),
    onSuccess: (named) => {
      queries.setQueryData(sessionQuery(id).queryKey, named);
      return queries.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  const agents = useQuery(agentsQuery);
  const agent = agents.data?.data.find((each) => each.id === session.data?.agent_id);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <header className="flex h-13 shrink-0 items-center gap-2 border-b border-line px-3">
        <Link
          to="/chat"
          aria-label="All conversations"
          className={cn(buttonStyle({ look: "quiet", size: "icon" }), "lg:hidden")}
        >
          <ChevronLeft aria-hidden />
        </Link>
        <h1 ref={heading} className="min-w-0 flex-1 truncate font-semibold">
          {session.data?.title || agent?.name || "Conversation"}
        </h1>
        {agent && (
          <Link
            to="/agents/$agent"
            params={{ agent: agent.slug }}
            className={cn(buttonStyle({ look: "quiet" }), "max-w-32 sm:max-w-56")}
            title="The agent"
          >
            {agent.name}
          </Link>
        )}
        {session.data?.parent_session_id && (
          <Link
            to="/compare"
            search={{ first: session.data.parent_session_id, second: id }}
            className={buttonStyle({ look: "quiet" })}
          >
            Compare
          </Link>
        )}
        <CopyCurl method="POST" path={`/v1/sessions/${id}/messages`} body={{ content: "What may a hotel cost?" }} />
      </header>
      <Talk
        key={id}
        session={id}
        agent={agent?.id ?? null}
        onFirst={(text) => session.data?.title === "" && naming.mutate(text)}
        empty={
          <div className="py-10 text-center">
            <p className="text-lg font-medium">{agent ? `Ask ${agent.name} something` : "Nothing was said yet"}</p>
            {agent?.description && <p className="text-soft">{agent.description}</p>}
          </div>
        }
      />
    </div>
  );
}
