import { Link } from "@tanstack/react-router";
import { Status } from "@/components/status";
import { ago } from "@/lib/format";
import type { Deployment } from "./api";

export function DeploymentRow({ deployment }: { deployment: Deployment }) {
  return (
    <li>
      <Link
        to="/fleet/$deployment"
        params={{ deployment: deployment.name }}
        className="flex flex-wrap items-center gap-x-3 gap-y-0.5 px-4 py-2.5 hover:bg-raised"
      >
        <span className="min-w-0 flex-1 basis-40 truncate font-medium">{deployment.name}</span>
        <Status value={deployment.status} />
        <span className="w-full text-sm text-soft tabular-nums sm:w-auto sm:min-w-80 sm:text-right">
          {deployment.ready_replicas} of {deployment.replicas} ready · {deployment.region || "any region"} · version{" "}
          {deployment.version} · {ago(deployment.updated_at)}
        </span>
        <span className="w-full truncate font-mono text-xs text-soft">{deployment.endpoint}</span>
        {deployment.reason && <span className="w-full text-sm break-words text-bad">{deployment.reason}</span>}
      </Link>
    </li>
  );
}
