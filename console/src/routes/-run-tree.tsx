import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { figureLink } from "@/components/facts";
import { Card } from "@/components/page";
import { Shown } from "@/components/states";
import { Status } from "@/components/status";
import { runTreeQuery } from "@/features/jobs/api";
import { outline } from "@/features/jobs/tree";
import { ago, cost, counted } from "@/lib/format";
import { useNames } from "./-names";
import { runLink } from "./-run-link";

/** The run and those of the agents that worked for it. */
export function RunTree({ run }: { run: string }) {
  const names = useNames();
  const runs = useQuery(runTreeQuery(run));
  return (
    <Card title="Runs, with those of sub-agents" actions={<CopyCurl path={`/v1/runs?root_run_id=${run}`} />}>
      <Shown of={runs} what="runs">
        {({ data }) => (
          <ul className="divide-y divide-line">
            {outline(
              [...data].reverse(),
              ({ id }) => id,
              ({ parent_run_id }) => parent_run_id ?? null,
            ).map(({ item, depth }) => (
              <li
                key={item.id}
                className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5"
                style={{ paddingLeft: `${1 + depth * 1.5}rem` }}
              >
                <span className="min-w-0 flex-1 basis-40 truncate">
                  {runLink(item.id, item.agent_id ? names.agent(item.agent_id) : item.kind)}
                </span>
                <span className="text-sm text-soft tabular-nums">
                  <Link to="/usage/calls" search={{ run_id: item.id }} className={figureLink}>
                    {counted(item.usage.model_calls, "model call")} · {cost(item.cost_micros)}
                  </Link>{" "}
                  · {ago(item.created_at)}
                </span>
                <Status value={item.status} />
              </li>
            ))}
          </ul>
        )}
      </Shown>
    </Card>
  );
}
