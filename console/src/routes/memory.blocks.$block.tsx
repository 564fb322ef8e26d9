import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { Trash2, Undo2 } from "lucide-react";
import { useMemo } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { linkStyle } from "@/components/facts";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { Button } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { type Block, blockQuery, deleteBlock, restoreBlock, undoBlock } from "@/features/memory/api";
import { BlockEditor } from "@/features/memory/block-editor";
import { BlockVersions } from "@/features/memory/block-versions";
import { sees } from "@/features/memory/blocks";
import { Pins } from "@/features/memory/pins";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";

export const Route = createFileRoute("/memory/blocks/$block")({ component: BlockPage });

function BlockPage() {
  const { block: id } = Route.useParams();
  const block = useQuery(blockQuery(id));
  return (
    <Loaded of={block} what="the block" title="Block" back={{ to: "/memory", name: "All memories" }}>
      {(found) => <Found block={found} />}
    </Loaded>
  );
}

function Found({ block }: { block: Block }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const agents = useQuery(agentsQuery);
  const names = useMemo(() => new Map(agents.data?.data.map(({ id, name }) => [id, name])), [agents.data]);
  const onError = (error: Error) => toast.error(error.message);
  const read = () => queries.invalidateQueries({ queryKey: ["memory-blocks"] });
  const undoing = useMutation({
    mutationFn: () => undoBlock(block.id),
    onSuccess: () => toast.success("It has the text it had before."),
    onError,
    onSettled: read,
  });
  const removing = useMutation({
    mutationFn: () => deleteBlock(block.id),
    onSuccess: async () => {
      await navigate({ to: "/memory", search: { show: "blocks" } });
      queries.removeQueries({ queryKey: blockQuery(block.id).queryKey });
      await read();
      reversible(`${block.label} is deleted; no agent sees it any more. It can be restored for 30 days.`, () =>
        restoreBlock(block.id).then(read),
      );
    },
    onError,
  });
  return (
    <Page
      title={block.label}
      lead={
        <>
          {sees(block, names)} · version {block.version}
          {block.agent_id && (
            <>
              {" · "}
              <Link to="/agents/$agent" params={{ agent: block.agent_id }} className={linkStyle}>
                the agent
              </Link>
            </>
          )}
        </>
      }
      actions={
        <>
          {block.version > 1 && (
            <Button disabled={undoing.isPending} onClick={() => undoing.mutate()}>
              <Undo2 aria-hidden /> Undo
            </Button>
          )}
          <Button look="danger" disabled={removing.isPending} onClick={() => removing.mutate()}>
            <Trash2 aria-hidden /> Delete
          </Button>
          <CopyCurl path={`/v1/memory-blocks/${block.id}`} />
        </>
      }
    >
      <div className="grid items-start gap-5 lg:grid-cols-2">
        <div className="min-w-0 space-y-5">
          <Card title="What stands in the prompt">
            <BlockEditor key={block.id} block={block} />
          </Card>
          {block.agent_id === null && (
            <Card title="Agents that see it">
              <Pins block={block} agents={names} />
            </Card>
          )}
        </div>
        <Card title="Versions">
          <BlockVersions block={block} agents={names} />
        </Card>
      </div>
    </Page>
  );
}
