import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { createFileRoute, Link, Outlet, useMatchRoute, useNavigate } from "@tanstack/react-router";
import { Plus, Trash2 } from "lucide-react";
import { Failure, Loading } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { deleteSession, sessionsQuery } from "@/features/sessions/api";
import { cn } from "@/lib/cn";
import { ago } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { useHidden } from "@/lib/undo";

export const Route = createFileRoute("/chat")({ component: Chat });

/** Conversations at the side; on a small screen they are the page until one is open. */
function Chat() {
  const isOpen = Boolean(useMatchRoute()({ to: "/chat/$session" }));
  return (
    <div className="flex min-h-0 flex-1">
      <aside
        className={cn("w-72 shrink-0 flex-col border-r border-line md:flex", isOpen ? "hidden" : "hidden lg:flex")}
      >
        <Sessions />
      </aside>
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <Outlet />
      </div>
    </div>
  );
}

export function Sessions() {
  const sessions = useInfiniteQuery(sessionsQuery);
  const hidden = useHidden();
  const agents = useQuery(agentsQuery);
  const names = new Map(agents.data?.data.map(({ id, name }) => [id, name]));
  // Sessions without an agent hold background work, such as reading a document.
  const shown = sessions.data?.pages
    .flatMap((page) => page.data)
    .filter((session) => session.agent_id !== null && !hidden.has(session.id));
  return (
    <nav aria-label="Conversations" className="flex min-h-0 flex-1 flex-col">
      <div className="p-3">
        <Link to="/chat" className={cn(buttonStyle({ look: "plain" }), "w-full")}>
          <Plus aria-hidden /> New conversation
        </Link>
      </div>
      {sessions.error && <Failure error={sessions.error} />}
      {sessions.isLoading && <Loading what="conversations" />}
      <ul className="min-h-0 flex-1 overflow-y-auto px-2 pb-3">
        {shown?.map((session) => (
          <Row
            key={session.id}
            id={session.id}
            title={session.title || names.get(session.agent_id ?? "") || "Conversation"}
            at={session.updated_at}
          />
        ))}
        {sessions.hasNextPage && (
          <li className="p-2 text-center">
            <Button size="small" onClick={() => void sessions.fetchNextPage()}>
              Older ones
            </Button>
          </li>
        )}
      </ul>
    </nav>
  );
}

function Row({ id, title, at }: { id: string; title: string; at: string }) {
  const navigate = useNavigate();
  const remove = useRemoval(["sessions"]);
  const onRemove = () => {
    remove(id, `“${title}” is deleted, with its messages and runs.`, () => deleteSession(id));
    void navigate({ to: "/chat" });
  };
  return (
    <li className="group flex items-center rounded-lg hover:bg-raised has-aria-[current=page]:bg-accent-soft">
      <Link to="/chat/$session" params={{ session: id }} className="min-w-0 flex-1 rounded-lg px-2.5 py-2">
        <span className="block truncate text-sm font-medium">{title}</span>
        <span className="block text-sm text-soft">{ago(at)}</span>
      </Link>
      <Button
        onClick={onRemove}
        look="quiet"
        size="icon"
        aria-label={`Delete ${title}`}
        className="opacity-0 group-hover:opacity-100 focus-visible:opacity-100"
      >
        <Trash2 aria-hidden />
      </Button>
    </li>
  );
}
