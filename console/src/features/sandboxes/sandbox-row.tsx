import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Status } from "@/components/status";
import { ago, bytes, counted, duration } from "@/lib/format";
import { lives, type Sandbox, statsQuery } from "./api";

interface Props {
  sandbox: Sandbox;
  /** Of the last 30 days; what it took is known some time after. */
  used: { cpu_seconds: number; wall_seconds: number } | undefined;
}

export function SandboxRow({ sandbox, used }: Props) {
  const { data } = useQuery(statsQuery(sandbox, 10_000));
  const { limits } = sandbox;
  return (
    <li>
      <Link
        to="/sandboxes/$sandbox"
        params={{ sandbox: sandbox.id }}
        className="flex flex-wrap items-center gap-x-3 gap-y-0.5 px-4 py-2.5 hover:bg-raised"
      >
        <span className="min-w-0 flex-1 basis-40">
          <span className="block truncate font-medium">{sandbox.name || sandbox.id.slice(-12)}</span>
          <span className="block truncate text-sm text-soft">
            {sandbox.template}
            {sandbox.session_id && " · of a conversation"}
            {sandbox.reason && ` · ${sandbox.reason}`}
          </span>
        </span>
        <Status value={sandbox.status} />
        <span className="w-full text-sm text-soft tabular-nums sm:w-auto sm:min-w-80 sm:text-right">
          {data && lives(sandbox)
            ? `${bytes(data.memory_bytes)} of ${bytes(limits.memory_bytes)} · ${bytes(data.disk_bytes)} disk · `
            : `${counted(limits.cpus, "core")}, ${bytes(limits.memory_bytes)} · `}
          {used && `${duration(used.cpu_seconds * 1000)} CPU · `}
          {ago(sandbox.created_at)}
        </span>
      </Link>
    </li>
  );
}
