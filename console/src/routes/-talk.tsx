import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { figureLink } from "@/components/facts";
import { Failure } from "@/components/states";
import { Decide } from "@/features/approvals/decide";
import { branch, createSession, say, stop, titleOf, useTranscript } from "@/features/sessions/api";
import { Composer } from "@/features/sessions/composer";
import { Conversation } from "@/features/sessions/conversation";
import type { Item, ToolBlock, TurnItem } from "@/features/sessions/transcript";
import { type Citation, placeOf } from "@/lib/log";
import { toast } from "@/lib/toast";

// What nobody has opened is not loaded.
const SourcePanel = lazy(() => import("./-source-panel"));

interface Props {
  session: string | null;
  /** Makes the session that the first message needs. */
  onBegin?: () => Promise<string>;
  agent?: string | null;
  /** What names the draft before there is a session. */
  place?: string;
  /** Hears the first words of a conversation, by which it may be named. */
  onFirst?: (text: string) => void;
  empty: ReactNode;
}

/** A conversation with all that belongs to it: answers, sources, approvals, stopping, branches. */
export function Talk({ session, onBegin, agent, place = "new", onFirst, empty }: Props) {
  const navigate = useNavigate();
  const [source, setSource] = useState<Citation | null>(null);
  const { transcript, connection, refused } = useTranscript(session);
  const open = openTurn(transcript.items);
  const report = (error: Error) => toast.error(error.message);
  const saying = useMutation({
    mutationFn: async (text: string) => {
      const id = session ?? (await onBegin?.());
      if (id) await say(id, text);
      if (id && transcript.items.length === 0) onFirst?.(text);
    },
    onError: report,
  });
  const stopping = useMutation({ mutationFn: stop, onError: report });
  const branching = useMutation({
    mutationFn: async ({ at, text }: { at: number; text: string }) => {
      if (at > 0 && session) return (await branch(session, at, text)).id;
      const made = await createSession(agent ?? "", titleOf(text)); // nothing is shared before the first message
      await say(made.id, text);
      return made.id;
    },
    onSuccess: (id) => navigate({ to: "/chat/$session", params: { session: id } }),
    onError: report,
  });
  const askOf = (id: string) => {
    for (const item of transcript.items) {
      const block =
        item.kind === "turn" &&
        item.blocks.find((each): each is ToolBlock => each.kind === "tool" && each.approval?.id === id);
      if (block) return block;
    }
  };
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      {refused ? (
        <Failure error={refused} />
      ) : (
        <Conversation
          transcript={transcript}
          onCitation={setSource}
          onBranch={agent ? (at, text) => branching.mutate({ at, text }) : undefined}
          runLink={(turn, block) => <RunLink turn={turn} block={block} />}
          callsLink={(turn, figure) => (
            <Link to="/usage/calls" search={{ run_id: turn.runId }} className={figureLink}>
              {figure}
            </Link>
          )}
          approval={(id) => <Decide id={id} tool={askOf(id)?.tool ?? "the call"} given={askOf(id)?.arguments} />}
          empty={empty}
        />
      )}
      <p role="status" className="h-6 text-center text-sm text-soft">
        {session && connection === "reconnecting" && "Reconnecting…"}
      </p>
      {!refused && (
        <Composer
          session={session}
          place={place}
          isWorking={open !== undefined}
          isSending={saying.isPending}
          onSay={(text) => saying.mutateAsync(text)}
          onStop={() => open && stopping.mutate(open.runId)}
        />
      )}
      {source && (
        <Suspense>
          <SourcePanel place={placeOf(source.uri)} name={source.document_name} onClose={() => setSource(null)} />
        </Suspense>
      )}
    </div>
  );
}

const openTurn = (items: Item[]) =>
  items.findLast((item): item is TurnItem => item.kind === "turn" && item.endedAt === null);

function RunLink({ turn, block }: { turn: TurnItem; block?: ToolBlock }) {
  return (
    <Link
      to="/runs/$run"
      params={{ run: turn.runId }}
      search={block?.seq ? { event: block.seq } : {}}
      className="inline-block text-sm text-accent underline underline-offset-2"
    >
      {block ? "In the run" : "Steps of this run"}
    </Link>
  );
}
