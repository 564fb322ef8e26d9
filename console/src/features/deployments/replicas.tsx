import { Link } from "@tanstack/react-router";
import { figureLink } from "@/components/facts";
import { Status } from "@/components/status";
import { ago, counted } from "@/lib/format";
import type { Deployment, Replica } from "./api";

/** What runs of it; while it rolls, old and new ones stand side by side. */
export function Replicas({ deployment, replicas }: { deployment: Deployment; replicas: Replica[] }) {
  if (!replicas.length) {
    return (
      <p className="p-6 text-center text-soft">
        {deployment.status === "stopped"
          ? "It is stopped, so nothing runs."
          : deployment.replicas === 0
            ? "No replica is wanted."
            : "Nothing runs of it yet."}
      </p>
    );
  }
  return (
    <ul className="divide-y divide-line">
      {replicas.map((replica) => (
        <li key={replica.id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5 text-sm">
          <span className="font-mono" title={replica.id}>
            {replica.id.slice(-8)}
          </span>
          <Status value={replica.state} />
          <span className={replica.version === deployment.version ? "text-soft" : "font-medium text-warn"}>
            version {replica.version}
            {replica.version !== deployment.version && ", leaving"}
          </span>
          {replica.is_ready && <span className="text-good">gets requests</span>}
          <span className="ml-auto text-soft">
            {replica.restarts > 0 && (
              <>
                <Link
                  to="/fleet/$deployment"
                  params={{ deployment: deployment.name }}
                  search={(before) => ({ ...before, replica: replica.id })}
                  replace
                  className={figureLink}
                >
                  {counted(replica.restarts, "restart")}
                </Link>{" "}
                ·{" "}
              </>
            )}
            {replica.started_at ? `since ${ago(replica.started_at)}` : `made ${ago(replica.created_at)}`}
          </span>
          {replica.reason && <span className="w-full break-words text-bad">{replica.reason}</span>}
        </li>
      ))}
    </ul>
  );
}
