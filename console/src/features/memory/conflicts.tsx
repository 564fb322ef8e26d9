import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { ago } from "@/lib/format";
import { toast } from "@/lib/toast";
import { who } from "@/lib/who";
import { type Conflict, conflictsQuery, resolveConflict } from "./api";

const KEPT = { newer: "the newer counts", older: "the older counts", both: "both count", merged: "merged into one" };

const DECIDED: Record<string, string> = { "newest wins": "the rule that the newest wins" };

/** Memories that contradict each other, and which of them agents find. */
export function Conflicts({ agent }: { agent: string | undefined }) {
  const conflicts = useQuery(conflictsQuery(agent));
  return (
    <Shown of={conflicts} what="contradictions">
      {({ data }) =>
        data.length ? (
          <ul className="space-y-4">
            {data.map((conflict) => (
              <li key={conflict.id}>
                <Row conflict={conflict} />
              </li>
            ))}
          </ul>
        ) : (
          <Empty title="No contradictions">
            When a new fact contradicts an older one, the newer counts, and you can decide otherwise here.
          </Empty>
        )
      }
    </Shown>
  );
}

function Row({ conflict }: { conflict: Conflict }) {
  const queries = useQueryClient();
  const deciding = useMutation({
    mutationFn: (keep: "newer" | "older" | "both") => resolveConflict(conflict.id, keep),
    onSuccess: ({ kept }) => toast.success(`Decided: ${KEPT[kept]}.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["memories"] }),
  });
  const sides = [
    { name: "older", id: conflict.older_id, text: conflict.older_content },
    { name: "newer", id: conflict.newer_id, text: conflict.newer_content },
  ] as const;
  return (
    <Card>
      <div className="space-y-3 p-4">
        <p className="text-sm text-soft">
          about {conflict.topic.replaceAll("|", ", ")} · {ago(conflict.created_at)} · {KEPT[conflict.kept]}, as decided
          by {DECIDED[conflict.resolved_by] ?? who(conflict.resolved_by)}
        </p>
        <div className="grid gap-3 sm:grid-cols-2">
          {sides.map(({ name, id, text }) => (
            <Link
              key={name}
              to="/memory/facts/$memory"
              params={{ memory: id }}
              className="block rounded-lg border border-line p-3 hover:bg-raised"
            >
              <span className="block text-sm text-soft">{name}</span>
              <span className="break-words">{text}</span>
            </Link>
          ))}
        </div>
        <div className="flex flex-wrap gap-2">
          {(["newer", "older", "both"] as const).map((keep) => (
            <Button
              key={keep}
              size="small"
              disabled={deciding.isPending || conflict.kept === keep}
              onClick={() => deciding.mutate(keep)}
            >
              {keep === "both" ? "Keep both" : `Keep the ${keep}`}
            </Button>
          ))}
        </div>
      </div>
    </Card>
  );
}
