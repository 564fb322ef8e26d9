import { Link } from "@tanstack/react-router";
import { Status } from "@/components/status";
import { ago, counted, duration, money } from "@/lib/format";
import { kindName, type Run } from "./api";

export function RunRow({ run, agentName }: { run: Run; agentName: string | undefined }) {
  const tokens = run.usage.input_tokens + run.usage.output_tokens;
  return (
    <li>
      <Link
        to="/runs/$run"
        params={{ run: run.id }}
        className="flex flex-wrap items-center gap-x-3 gap-y-0.5 px-4 py-2.5 hover:bg-raised"
      >
        <span className="min-w-0 flex-1 basis-40 truncate font-medium">{agentName ?? kindName(run.kind)}</span>
        <Status value={run.status} />
        <span className="w-full text-sm text-soft tabular-nums sm:w-auto sm:min-w-80 sm:text-right">
          {tokens > 0 &&
            `${counted(tokens, "token")} · ${run.cost_micros == null ? "" : `${money(run.cost_micros)} · `}`}
          {run.finished_at &&
            run.started_at &&
            `${duration(Date.parse(run.finished_at) - Date.parse(run.started_at))} · `}
          {ago(run.created_at)}
        </span>
      </Link>
    </li>
  );
}
