import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { linkStyle } from "@/components/facts";
import { Status } from "@/components/status";
import { ago } from "@/lib/format";
import { ownersQuery } from "./api";

/** The session whose agent works in the sandbox, and its runs. */
export function Owner({ session }: { session: string }) {
  const runs = useQuery(ownersQuery(session));
  return (
    <div className="p-4 text-sm">
      <Link to="/chat/$session" params={{ session }} className={linkStyle}>
        The conversation whose agent works in it
      </Link>
      <ul className="mt-2 max-h-48 space-y-1 overflow-y-auto">
        {runs.data?.data.map((run) => (
          <li key={run.id}>
            <Link
              to="/runs/$run"
              params={{ run: run.id }}
              className="flex items-center gap-2 rounded px-1 py-0.5 hover:bg-raised"
            >
              <span className="flex-1">run of {ago(run.created_at)}</span>
              <Status value={run.status} />
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}
