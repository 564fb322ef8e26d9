import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { buttonStyle } from "@/components/ui/button";
import { triggersQuery } from "@/features/triggers/api";
import { toldWhen } from "@/features/triggers/when";
import { workflowsQuery } from "@/features/workflows/api";
import { counted, moment } from "@/lib/format";
import { useHidden } from "@/lib/undo";
import { useNames } from "./-names";

export const Route = createFileRoute("/automation/triggers/")({ component: Triggers });

function Triggers() {
  const triggers = useQuery(triggersQuery);
  const hidden = useHidden();
  const workflows = useQuery(workflowsQuery);
  const names = useNames();
  const workflowNames = new Map(workflows.data?.data.map(({ id, name }) => [id, name]));
  const making = (
    <Link to="/automation/triggers/new" className={buttonStyle({ look: "main" })}>
      <Plus aria-hidden /> New trigger
    </Link>
  );
  return (
    <div className="space-y-5">
      <div className="flex justify-end gap-2">
        <CopyCurl path="/v1/triggers" />
        {making}
      </div>
      <Shown of={triggers} what="triggers">
        {({ data: all }) => {
          const data = all.filter(({ id }) => !hidden.has(id));
          return data.length ? (
            <Card>
              <ul className="divide-y divide-line">
                {data.map((trigger) => (
                  <li key={trigger.id}>
                    <Link
                      to="/automation/triggers/$trigger"
                      params={{ trigger: trigger.id }}
                      className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-3 hover:bg-raised"
                    >
                      <span className="min-w-0 flex-1 basis-64">
                        <span className="block truncate font-medium">{trigger.name}</span>
                        <span className="block text-sm break-words text-soft">
                          {trigger.workflow_id
                            ? (workflowNames.get(trigger.workflow_id) ?? "a workflow")
                            : names.agent(trigger.agent_id)}
                          {" · "}
                          {toldWhen(trigger.when)}
                        </span>
                      </span>
                      <span className="text-sm text-soft">
                        {trigger.next_at ? `next ${moment(trigger.next_at)}` : counted(trigger.firings, "firing")}
                      </span>
                      <Status value={trigger.status} className={trigger.status === "active" ? "text-good" : ""} />
                    </Link>
                  </li>
                ))}
              </ul>
            </Card>
          ) : (
            <Empty title="Nothing starts by itself yet" action={making}>
              A trigger starts an agent or a workflow: by the clock, when something happens, or on a request from
              outside.
            </Empty>
          );
        }}
      </Shown>
    </div>
  );
}
