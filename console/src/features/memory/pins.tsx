import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Check } from "@/components/ui/field";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { type Block, pinBlock } from "./api";
import type { Names } from "./facts";

/** Which agents see a shared block. */
export function Pins({ block, agents }: { block: Block; agents: Names }) {
  const queries = useQueryClient();
  const read = () => queries.invalidateQueries({ queryKey: ["memory-blocks"] });
  const pinning = useMutation({
    mutationFn: ({ agent, isPinned }: { agent: string; isPinned: boolean }) => pinBlock(block.id, agent, isPinned),
    onSuccess: (_, { agent, isPinned }) =>
      reversible(`${agents.get(agent) ?? "The agent"} ${isPinned ? "sees it now" : "does not see it any more"}.`, () =>
        pinBlock(block.id, agent, !isPinned).then(read),
      ),
    onError: (error) => toast.error(error.message),
    onSettled: read,
  });
  if (!agents.size) return <p className="p-4 text-soft">There is no agent yet.</p>;
  return (
    <div className="max-h-72 overflow-y-auto p-3">
      {[...agents].map(([id, name]) => (
        <Check
          key={id}
          label={name}
          checked={block.pinned_to.includes(id)}
          disabled={pinning.isPending}
          onChange={(event) => pinning.mutate({ agent: id, isPinned: event.target.checked })}
        />
      ))}
    </div>
  );
}
