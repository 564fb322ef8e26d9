import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Lock, Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import { ago, count, counted } from "@/lib/format";
import { toast } from "@/lib/toast";
import { type Block, blocksQuery, createBlock, restoreBlock } from "./api";
import type { Names } from "./facts";

/** The texts that always stand in the prompts of agents. */
interface Props {
  agents: Names;
  agent: string | undefined;
  isMaking: boolean;
  onMaking: (isMaking: boolean) => void;
}

export function Blocks({ agents, agent, isMaking, onMaking }: Props) {
  const blocks = useQuery(blocksQuery(agent));
  return (
    <div className="space-y-4">
      <NewBlock agents={agents} agent={agent} isMaking={isMaking} onMaking={onMaking} />
      <Deleted agent={agent} agents={agents} />
      <Shown of={blocks} what="blocks">
        {({ data }) =>
          data.length ? (
            <ul className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
              {data.map((block) => (
                <li key={block.id}>
                  <BlockCard block={block} agents={agents} />
                </li>
              ))}
            </ul>
          ) : (
            <Empty title="No blocks yet">
              A block is a short text that an agent always has before it, such as who it is or what it knows about
              somebody. It may change it itself unless it is read-only.
            </Empty>
          )
        }
      </Shown>
    </div>
  );
}

/** What was deleted in the last 30 days, and the way back. */
function Deleted({ agent, agents }: { agent: string | undefined; agents: Names }) {
  const queries = useQueryClient();
  const deleted = useQuery(blocksQuery(agent, true));
  const restoring = useMutation({
    mutationFn: restoreBlock,
    onSuccess: (block) => toast.success(`${block.label} is back, with its versions.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["memory-blocks"] }),
  });
  if (!deleted.data?.data.length) return null;
  return (
    <details className="rounded-xl border border-line bg-panel">
      <summary className="px-4 py-2.5 text-sm font-medium">
        {counted(deleted.data.data.length, "deleted block")}
      </summary>
      <ul className="divide-y divide-line border-t border-line">
        {deleted.data.data.map((block) => (
          <li key={block.id} className="flex items-center gap-3 px-4 py-2">
            <span className="min-w-0 flex-1">
              <span className="block truncate text-sm font-medium">{block.label}</span>
              <span className="block truncate text-sm text-soft">
                {sees(block, agents)} · {block.content || "Empty."}
              </span>
            </span>
            <Button size="small" disabled={restoring.isPending} onClick={() => restoring.mutate(block.id)}>
              Restore <span className="sr-only">{block.label}</span>
            </Button>
          </li>
        ))}
      </ul>
    </details>
  );
}

export function sees(block: Block, agents: Names): string {
  const who =
    block.agent_id === null
      ? block.pinned_to.length
        ? `shared with ${counted(block.pinned_to.length, "agent")}`
        : "shared, no agent sees it yet"
      : (agents.get(block.agent_id) ?? "a deleted agent");
  return block.user_name ? `${who}, with ${block.user_name}` : who;
}

function BlockCard({ block, agents }: { block: Block; agents: Names }) {
  return (
    <Link
      to="/memory/blocks/$block"
      params={{ block: block.id }}
      className="flex h-full flex-col gap-1 rounded-xl border border-line bg-panel p-4 hover:bg-raised"
    >
      <span className="flex items-center gap-2 font-semibold">
        <span className="truncate">{block.label}</span>
        {block.is_read_only && <Lock className="size-4 shrink-0 text-soft" aria-label="read-only" />}
      </span>
      <span className="line-clamp-3 flex-1 text-sm break-words whitespace-pre-wrap">{block.content || "Empty."}</span>
      <span className="pt-1 text-sm text-soft tabular-nums">
        {sees(block, agents)} · {count(block.content.length)} of {count(block.most_characters)} characters · version{" "}
        {block.version} · {ago(block.updated_at)}
      </span>
    </Link>
  );
}

function bodyOf(form: FormData) {
  const text = (name: string) => String(form.get(name) ?? "").trim();
  return {
    label: text("label"),
    content: text("content"),
    description: text("description"),
    agent_id: text("agent") || null,
  };
}

function NewBlock({ agents, agent, isMaking: isOpen, onMaking: setIsOpen }: Props) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const making = useMutation({
    mutationFn: createBlock,
    onSuccess: async (block) => {
      await queries.invalidateQueries({ queryKey: ["memory-blocks"] });
      await navigate({ to: "/memory/blocks/$block", params: { block: block.id } });
    },
  });
  if (!isOpen) {
    return (
      <Button look="main" onClick={() => setIsOpen(true)}>
        <Plus aria-hidden /> New block
      </Button>
    );
  }
  return (
    <Card title="A new block">
      <form
        className="space-y-4 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          making.mutate(bodyOf(new FormData(event.currentTarget)));
        }}
      >
        <div className="grid gap-4 sm:grid-cols-3">
          <Field label="Label">
            {(given) => <Input {...given} name="label" required placeholder="persona" autoFocus />}
          </Field>
          <Field label="What it is for">
            {(given) => <Input {...given} name="description" placeholder="Who you are" />}
          </Field>
          <Field label="Whose it is">
            {(given) => (
              <Select {...given} name="agent" defaultValue={agent ?? ""}>
                <option value="">shared</option>
                {[...agents].map(([id, name]) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <Field label="Text">{(given) => <TextArea {...given} name="content" rows={4} />}</Field>
        {making.error && (
          <p role="alert" className="text-sm text-bad">
            {making.error.message}
          </p>
        )}
        <div className="flex gap-2">
          <Button type="submit" look="main" disabled={making.isPending}>
            Make it
          </Button>
          <CopyCurl method="POST" path="/v1/memory-blocks" body={bodyOf} />
          <Button onClick={() => setIsOpen(false)}>Leave it</Button>
        </div>
      </form>
    </Card>
  );
}
