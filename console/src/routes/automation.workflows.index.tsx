import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Empty, Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { workflowsQuery } from "@/features/workflows/api";
import { ago, counted } from "@/lib/format";
import { useHidden } from "@/lib/undo";

export const Route = createFileRoute("/automation/workflows/")({ component: Workflows });

function Workflows() {
  const workflows = useQuery(workflowsQuery);
  const hidden = useHidden();
  const making = (
    <Link to="/automation/workflows/new" className={buttonStyle({ look: "main" })}>
      <Plus aria-hidden /> New workflow
    </Link>
  );
  return (
    <div className="space-y-5">
      <div className="flex justify-end gap-2">
        <CopyCurl path="/v1/workflows" />
        {making}
      </div>
      <Shown of={workflows} what="workflows">
        {({ data: all }) => {
          const data = all.filter(({ id }) => !hidden.has(id));
          return data.length ? (
            <ul className="grid grid-cols-1 gap-3 sm:grid-cols-2 lg:grid-cols-3">
              {data.map((workflow) => (
                <li key={workflow.id}>
                  <Link
                    to="/automation/workflows/$workflow"
                    params={{ workflow: workflow.slug }}
                    className="flex h-full flex-col gap-1 rounded-xl border border-line bg-panel p-4 hover:bg-raised"
                  >
                    <span className="truncate font-semibold">{workflow.name}</span>
                    <span className="line-clamp-2 flex-1 text-sm text-soft">
                      {workflow.description || "No description."}
                    </span>
                    <span className="truncate pt-1 text-sm text-soft">
                      {counted(workflow.steps.length, "step")} · version {workflow.version} · {ago(workflow.updated_at)}
                    </span>
                  </Link>
                </li>
              ))}
            </ul>
          ) : (
            <Empty title="No workflows yet" action={making}>
              A workflow is a graph of steps: agents, tools, requests, decisions, waits. What is done survives a crash.
            </Empty>
          );
        }}
      </Shown>
    </div>
  );
}
