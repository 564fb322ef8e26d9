import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { EyeOff, RotateCcw } from "lucide-react";
import { linkStyle } from "@/components/facts";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { ago } from "@/lib/format";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { type FoundMemory, type Memory, updateMemory } from "./api";

export type Names = Map<string, string>;

/** One fact, where it comes from, and how to set it aside. A search adds the scores that put it where it is. */
export function Fact({ memory, agents }: { memory: Memory | FoundMemory; agents: Names }) {
  const setting = useForgetting(memory);
  const isActive = memory.status === "active";
  return (
    <li className="flex items-start gap-2 px-4 py-3">
      <div className="min-w-0 flex-1">
        <Link
          to="/memory/facts/$memory"
          params={{ memory: memory.id }}
          className="block rounded font-medium break-words hover:underline"
        >
          {memory.content}
        </Link>
        <p className="mt-0.5 flex flex-wrap gap-x-2 text-sm text-soft">
          <span className="wrap-anywhere">{whose(memory, agents)}</span>
          <span aria-hidden>·</span>
          <span>
            {memory.tier}, {memory.bucket}
          </span>
          <span aria-hidden>·</span>
          <Origin memory={memory} />
          <span aria-hidden>·</span>
          <span>{ago(memory.created_at)}</span>
        </p>
        {"score" in memory && <Scores memory={memory} />}
      </div>
      {!isActive && <Status value={memory.status} />}
      <Button
        look="quiet"
        size="icon"
        title={isActive ? "Forget it" : "Bring it back"}
        aria-label={`${isActive ? "Forget" : "Bring back"}: ${memory.content.slice(0, 80)}`}
        disabled={setting.isPending}
        onClick={() => setting.mutate(isActive ? "forgotten" : "active")}
      >
        {isActive ? <EyeOff aria-hidden /> : <RotateCcw aria-hidden />}
      </Button>
    </li>
  );
}

export function whose(memory: { agent_id: string | null; user_name: string | null }, agents: Names): string {
  const agent = memory.agent_id === null ? "every agent" : (agents.get(memory.agent_id) ?? "a deleted agent");
  return memory.user_name ? `${agent}, with ${memory.user_name}` : agent;
}

const WORDS: Record<Memory["origin"], string> = {
  person: "written by a person",
  agent: "saved by the agent",
  extraction: "learnt from what was said",
  consolidation: "made of other memories",
};

/** Where a memory comes from, as a link to the event where that is known. */
export function Origin({ memory }: { memory: Memory }) {
  if (memory.run_id) {
    return (
      <Link
        to="/runs/$run"
        params={{ run: memory.run_id }}
        search={{ event: memory.source_seq ?? undefined, call: memory.tool_call_id ?? undefined }}
        className={linkStyle}
      >
        {WORDS[memory.origin]}
        {memory.source_seq && ` in event ${memory.source_seq}`}
      </Link>
    );
  }
  if (memory.session_id) {
    return (
      <Link to="/chat/$session" params={{ session: memory.session_id }} className={linkStyle}>
        {WORDS[memory.origin]}
      </Link>
    );
  }
  return <span>{WORDS[memory.origin]}</span>;
}

const score = (value: number | null) => (value === null ? "–" : value.toFixed(3));

function Scores({ memory }: { memory: FoundMemory }) {
  const parts: [string, string][] = [
    ["together", score(memory.score)],
    ["meaning", score(memory.dense)],
    ["words", score(memory.lexical)],
    ["strength", memory.strength.toFixed(2)],
  ];
  return (
    <dl className="mt-1.5 flex flex-wrap gap-x-5 gap-y-1 text-sm tabular-nums">
      {parts.map(([name, value]) => (
        <div key={name} className="flex gap-1.5">
          <dt className="text-soft">{name}</dt>
          <dd className="font-medium">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Sets a memory aside or brings it back, and offers to take that back. */
export function useForgetting(memory: Pick<Memory, "id">) {
  const queries = useQueryClient();
  const read = () => queries.invalidateQueries({ queryKey: ["memories"] });
  return useMutation({
    mutationFn: (status: "forgotten" | "active") => updateMemory(memory.id, { status }),
    onSuccess: (_, status) => {
      if (status === "active") toast.success("Agents find it again.");
      else {
        reversible("Forgotten. Agents do not find it any more.", () =>
          updateMemory(memory.id, { status: "active" }).then(read),
        );
      }
    },
    onError: (error) => toast.error(error.message),
    onSettled: read,
  });
}
