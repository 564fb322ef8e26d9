import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Diff } from "@/components/diff";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { ago } from "@/lib/format";
import { toast } from "@/lib/toast";
import { who } from "@/lib/who";
import { type Memory, type MemoryVersion, memoryVersionsQuery, updateMemory } from "./api";

/** Every state a memory has had, newest first, and the way back to each. */
export function FactVersions({ memory }: { memory: Memory }) {
  const versions = useQuery(memoryVersionsQuery(memory.id));
  return (
    <Shown of={versions} what="versions">
      {({ data }) => (
        <ol className="divide-y divide-line">
          {data.map((version, index) => (
            <Row key={version.version} memory={memory} version={version} before={data[index + 1]} />
          ))}
        </ol>
      )}
    </Shown>
  );
}

const shown = ({ content, tier, bucket, importance, status }: MemoryVersion) =>
  `${content}\n\ntier: ${tier}\nbucket: ${bucket}\nimportance: ${importance}\nstatus: ${status}`;

function Row({
  memory,
  version,
  before,
}: {
  memory: Memory;
  version: MemoryVersion;
  before: MemoryVersion | undefined;
}) {
  const queries = useQueryClient();
  const restoring = useMutation({
    mutationFn: () => {
      const { content, tier, bucket, importance, metadata } = version;
      // A state that was superseded is brought back as one that counts; that is what restoring it means.
      const status = version.status === "forgotten" ? "forgotten" : "active";
      return updateMemory(memory.id, { content, tier, bucket, importance, metadata, status, version: memory.version });
    },
    onSuccess: () => toast.success(`It is as it was at version ${version.version}.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["memories"] }),
  });
  const isCurrent = version.version === memory.version;
  return (
    <li className="px-4 py-2.5">
      <div className="flex min-h-9 flex-wrap items-center gap-2">
        <p className="min-w-0 flex-1">
          <span className="font-medium">Version {version.version}</span>
          <span className="text-sm text-soft">
            {" "}
            · {version.change}
            {version.restores && ` to ${version.restores}`} · {ago(version.created_at)} · by {who(version.changed_by)}
          </span>
        </p>
        {!isCurrent && (
          <Button size="small" disabled={restoring.isPending} onClick={() => restoring.mutate()}>
            Restore
          </Button>
        )}
      </div>
      {before ? (
        <details className="text-sm">
          <summary className="text-soft">What it changed</summary>
          <div className="mt-2">
            <Diff name={`Version ${version.version}`} before={shown(before)} after={shown(version)} />
          </div>
        </details>
      ) : (
        <p className="text-sm break-words whitespace-pre-wrap text-soft">{version.content}</p>
      )}
    </li>
  );
}
