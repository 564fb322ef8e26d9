import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Diff } from "@/components/diff";
import { linkStyle } from "@/components/facts";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { ago } from "@/lib/format";
import { toast } from "@/lib/toast";
import { who } from "@/lib/who";
import { type Block, type BlockVersion, blockVersionsQuery, updateBlock } from "./api";
import type { Names } from "./facts";

/** Every text a block has had, newest first: who wrote it, in which run, and the way back to it. */
export function BlockVersions({ block, agents }: { block: Block; agents: Names }) {
  const versions = useQuery(blockVersionsQuery(block.id));
  return (
    <Shown of={versions} what="versions">
      {({ data }) => (
        <ol className="divide-y divide-line">
          {data.map((version, index) => (
            <Row key={version.version} block={block} version={version} before={data[index + 1]} agents={agents} />
          ))}
        </ol>
      )}
    </Shown>
  );
}

interface Props {
  block: Block;
  version: BlockVersion;
  before: BlockVersion | undefined;
  agents: Names;
}

function Row({ block, version, before, agents }: Props) {
  const queries = useQueryClient();
  const restoring = useMutation({
    mutationFn: () => updateBlock(block.id, { content: version.content, version: block.version }),
    onSuccess: () => toast.success(`The text of version ${version.version} is back.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["memory-blocks"] }),
  });
  return (
    <li className="px-4 py-2.5">
      <div className="flex min-h-9 flex-wrap items-center gap-2">
        <p className="min-w-0 flex-1">
          <span className="font-medium">Version {version.version}</span>
          <span className="text-sm text-soft">
            {" "}
            · {version.change}
            {version.restores && ` to ${version.restores}`} · {ago(version.created_at)} · by{" "}
            {who(version.changed_by, agents)}
          </span>
          {version.run_id && (
            <>
              {" "}
              <Link
                to="/runs/$run"
                params={{ run: version.run_id }}
                search={{ call: version.tool_call_id ?? undefined }}
                className={`text-sm ${linkStyle}`}
              >
                See the run
              </Link>
            </>
          )}
        </p>
        {version.version !== block.version && (
          <Button size="small" disabled={restoring.isPending} onClick={() => restoring.mutate()}>
            Restore
          </Button>
        )}
      </div>
      <details className="text-sm">
        <summary className="text-soft">{before ? "What it changed" : "The first text"}</summary>
        <div className="mt-2">
          <Diff name={`Version ${version.version}`} before={before?.content ?? ""} after={version.content} />
        </div>
      </details>
    </li>
  );
}
