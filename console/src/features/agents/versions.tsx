import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Card } from "@/components/page";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { ago } from "@/lib/format";
import { toast } from "@/lib/toast";
import { type Agent, promote, type Version, versionsQuery } from "./api";
import { differences } from "./draft";

/** What the agent was, newest first, each with what it changed; an older one can be put to work again. */
export function Versions({ agent }: { agent: Agent }) {
  const versions = useQuery(versionsQuery(agent.id));
  return (
    <Card title="Versions">
      <Shown of={versions} what="versions">
        {({ data }) => (
          <ol className="divide-y divide-line">
            {data.map((version, index) => (
              <Row key={version.version} agent={agent} version={version} before={data[index + 1]} />
            ))}
          </ol>
        )}
      </Shown>
    </Card>
  );
}

function Row({ agent, version, before }: { agent: Agent; version: Version; before: Version | undefined }) {
  const queries = useQueryClient();
  const promoting = useMutation({
    mutationFn: () => promote(agent.id, version.version),
    onSuccess: () => toast.success(`What version ${version.version} was is at work again.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["agents"] }),
  });
  const changes = before ? differences({ ...before }, { ...version }) : [];
  const isCurrent = version.version === agent.version;
  return (
    <li className="px-4 py-2.5">
      <div className="flex min-h-9 flex-wrap items-center gap-2">
        <p className="min-w-0 flex-1">
          <span className="font-medium">Version {version.version}</span>
          <span className="text-sm text-soft">
            {isCurrent && " · at work"}
            {version.created_at && ` · ${ago(version.created_at)}`}
            {version.promoted_from && ` · a copy of ${version.promoted_from}`}
          </span>
        </p>
        {!isCurrent && (
          <Button size="small" disabled={promoting.isPending} onClick={() => promoting.mutate()}>
            Use again
          </Button>
        )}
      </div>
      {changes.length > 0 && (
        <details className="text-sm">
          <summary className="text-soft">Changed {changes.map(({ field }) => field).join(", ")}</summary>
          {changes.map(({ field, before: old, after }) => (
            <div key={field} className="mt-2">
              <p className="text-soft">{field}</p>
              <pre className="overflow-x-auto rounded-t-lg bg-bad-soft p-2 font-mono text-xs whitespace-pre-wrap">
                − {old}
              </pre>
              <pre className="overflow-x-auto rounded-b-lg bg-accent-soft p-2 font-mono text-xs whitespace-pre-wrap">
                + {after}
              </pre>
            </div>
          ))}
        </details>
      )}
    </li>
  );
}
