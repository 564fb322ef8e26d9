import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { linkStyle } from "@/components/facts";
import { bytes, count, counted } from "@/lib/format";
import { type Sandbox, statsQuery } from "./api";

/** How much of its limits a sandbox uses now. */
export function Usage({ sandbox }: { sandbox: Sandbox }) {
  const { data } = useQuery(statsQuery(sandbox, 2500));
  const { limits } = sandbox;
  return (
    <div className="space-y-3 p-4 text-sm">
      <Bar name="Memory" used={data?.memory_bytes} limit={limits.memory_bytes} show={bytes} />
      <Bar name="Disk" used={data?.disk_bytes} limit={limits.disk_bytes} show={bytes} />
      <Bar name="Processes" used={data?.pids} limit={limits.pids} show={count} />
      <p className="text-soft tabular-nums">
        {data ? `${data.cpu_seconds.toFixed(1)} s of CPU` : "–"} · at most {counted(limits.cpus, "core")} ·{" "}
        <Link
          to="/sandboxes/$sandbox"
          params={{ sandbox: sandbox.id }}
          search={{ show: "egress" }}
          className={linkStyle}
        >
          {data ? `${bytes(data.sent_bytes)} out, ${bytes(data.received_bytes)} in` : "egress"}
        </Link>
      </p>
    </div>
  );
}

interface BarProps {
  name: string;
  used: number | undefined;
  limit: number;
  show: (value: number) => string;
}

export function Bar({ name, used, limit, show }: BarProps) {
  const share = used === undefined ? 0 : Math.min(1, used / limit);
  return (
    <div>
      <p className="flex justify-between tabular-nums">
        <span>{name}</span>
        <span className="text-soft">
          {used === undefined ? "–" : show(used)} of {show(limit)}
        </span>
      </p>
      {/* biome-ignore lint/a11y/useSemanticElements: browsers draw meter elements in colours of their own */}
      <div
        role="meter"
        aria-label={name}
        aria-valuenow={Math.round(share * 100)}
        aria-valuemin={0}
        aria-valuemax={100}
        className="mt-1 h-2 overflow-hidden rounded bg-raised"
      >
        <div
          className={`h-full rounded ${share > 0.9 ? "bg-bad" : "bg-accent"}`}
          style={{ width: `${share * 100}%` }}
        />
      </div>
    </div>
  );
}
