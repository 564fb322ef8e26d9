import { Link } from "@tanstack/react-router";
import { ChevronRight, FileText } from "lucide-react";
import { memo, type ReactNode, useMemo } from "react";
import { Artifact } from "@/components/artifact";
import { Code } from "@/components/code";
import { Markdown } from "@/components/markdown";
import { Picture } from "@/components/picture";
import { Status } from "@/components/status";
import { cost, counted, duration, pretty } from "@/lib/format";
import type { Citation } from "@/lib/log";
import { picturesIn } from "@/lib/prose";
import type { Block, ToolBlock, TurnItem } from "./transcript";

interface Props {
  turn: TurnItem;
  isLast: boolean;
  onCitation: (citation: Citation) => void;
  runLink: (turn: TurnItem, block?: ToolBlock) => ReactNode;
  callsLink: (turn: TurnItem, figure: string) => ReactNode;
  approval: (id: string) => ReactNode;
}

export const TurnView = memo(function TurnView({ turn, onCitation, runLink, callsLink, approval }: Props) {
  const isOpen = !turn.endedAt;
  return (
    <article aria-label="Answer" aria-busy={isOpen} className="space-y-3">
      {turn.blocks.map((block) => (
        <BlockView
          key={block.key}
          block={block}
          turn={turn}
          onCitation={onCitation}
          runLink={runLink}
          approval={approval}
        />
      ))}
      {isOpen && turn.status !== "waiting" && <Working status={turn.status} />}
      {turn.error && (
        <p role="alert" className="rounded-lg bg-bad-soft px-3 py-2 break-words text-bad">
          {turn.error}
        </p>
      )}
      {turn.status === "cancelled" && <p className="text-sm text-soft">Stopped. What was said until then stays.</p>}
      {turn.citations.length > 0 && <Sources citations={turn.citations} onCitation={onCitation} />}
      {turn.artifacts.map((file) => (
        <Artifact key={file.id} run={turn.runId} file={file} />
      ))}
      <footer className="flex min-h-6 flex-wrap items-center gap-x-3 text-sm text-soft">
        {turn.usage && (
          <span className="tabular-nums">
            {callsLink(
              turn,
              `${counted(turn.usage.input_tokens + turn.usage.output_tokens, "token")} · ${cost(turn.costMicros)}`,
            )}
            {turn.endedAt && ` · ${duration(Date.parse(turn.endedAt) - Date.parse(turn.startedAt))}`}
          </span>
        )}
        {turn.runId && runLink(turn)}
      </footer>
    </article>
  );
});

function Working({ status }: { status: string }) {
  return (
    <p className="flex items-center gap-2 text-sm text-soft">
      <span className="size-2 animate-pulse rounded-full bg-accent" aria-hidden />
      {status === "queued" ? "Waiting for a worker" : "Working"}
    </p>
  );
}

function BlockView({
  block,
  turn,
  onCitation,
  runLink,
  approval,
}: Omit<Props, "isLast" | "callsLink"> & { block: Block }) {
  switch (block.kind) {
    case "text":
      return <Markdown text={block.text} citations={turn.citations} onCitation={onCitation} />;
    case "thinking":
      return (
        <details className="group text-sm text-soft">
          <summary className="flex w-fit items-center gap-1.5 rounded">
            <ChevronRight className="size-4 transition-transform group-open:rotate-90" aria-hidden /> Thinking
          </summary>
          <p className="mt-1 border-l-2 border-line pl-3 whitespace-pre-wrap">{block.text}</p>
        </details>
      );
    case "tool":
      return <ToolCard block={block} link={runLink(turn, block)} approval={approval} />;
    case "said":
      return (
        <p className="ml-auto w-fit max-w-[85%] rounded-2xl rounded-br-md bg-accent-soft px-4 py-2 break-words whitespace-pre-wrap">
          <span className="sr-only">You, meanwhile: </span>
          {block.text}
        </p>
      );
    case "note":
      return (
        <p className="rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">
          {block.text}{" "}
          {block.budget && (
            <Link
              to="/usage/budgets/$budget"
              params={{ budget: block.budget }}
              className="underline underline-offset-2"
            >
              Raise the budget
            </Link>
          )}
        </p>
      );
  }
}

function ToolCard({ block, link, approval }: { block: ToolBlock; link: ReactNode } & Pick<Props, "approval">) {
  const isAsking = block.approval !== null && block.approval.decision === null && block.status === "waiting";
  return (
    <div className="rounded-xl border border-line bg-panel">
      <details className="group" open={isAsking || undefined}>
        <summary className="flex min-h-11 flex-wrap items-center gap-2 px-3 py-1.5">
          <ChevronRight className="size-4 shrink-0 text-soft transition-transform group-open:rotate-90" aria-hidden />
          <span className="min-w-0 truncate font-mono text-sm">{block.tool || "tool"}</span>
          <Status value={block.status} />
          {block.durationMs !== null && (
            <span className="text-sm text-soft tabular-nums">{duration(block.durationMs)}</span>
          )}
        </summary>
        <div className="space-y-3 border-t border-line p-3 text-sm">
          <Part name="Arguments" text={pretty(block.arguments)} />
          {block.result && <Result text={pretty(block.result)} />}
          {link}
        </div>
      </details>
      {isAsking && block.approval && <div className="border-t border-line p-3">{approval(block.approval.id)}</div>}
    </div>
  );
}

/** What a tool said, as it said it, and the pictures that it names. */
function Result({ text }: { text: string }) {
  const pictures = useMemo(() => picturesIn(text), [text]);
  return (
    <div>
      <Part name="Result" text={text} />
      {pictures.map((picture) => (
        <Picture key={picture.url} {...picture} />
      ))}
    </div>
  );
}

function Part({ name, text }: { name: string; text: string }) {
  return (
    <div>
      <p className="mb-1 text-soft">{name}</p>
      <Code name={name} text={text} isRepeated />
    </div>
  );
}

function Sources({ citations, onCitation }: { citations: Citation[]; onCitation: Props["onCitation"] }) {
  return (
    <div>
      <h2 className="mb-1.5 text-sm font-medium text-soft">Sources</h2>
      <ol aria-label="Sources" className="grid gap-2 sm:grid-cols-2">
        {citations.map((citation, index) => (
          <li key={`${citation.uri} ${citation.quote}`}>
            <button
              type="button"
              className="flex h-full w-full gap-2.5 rounded-lg border border-line bg-panel px-3 py-2 text-left hover:bg-raised"
              onClick={() => onCitation(citation)}
            >
              <FileText className="mt-0.5 size-4 shrink-0 text-accent" aria-hidden />
              <span className="min-w-0 text-sm">
                <span className="block truncate font-medium">
                  {index + 1}. {citation.document_name}
                  {citation.page !== null && `, page ${citation.page}`}
                </span>
                <span className="line-clamp-2 text-soft">{citation.quote}</span>
              </span>
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}
