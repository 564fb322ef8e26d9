import type { ReactNode } from "react";
import { Markdown } from "@/components/markdown";
import { Card } from "@/components/page";
import { cost, counted } from "@/lib/format";
import type { Side } from "./api";

/** What one of two sessions said and did after the point that they share. */
interface Props {
  title: string;
  side: Side;
  link: ReactNode;
  /** To the calls that the figures count. */
  calls: (figures: string) => ReactNode;
}

export function SideView({ title, side, link, calls }: Props) {
  return (
    <Card title={title} actions={link}>
      <p className="border-b border-line px-4 py-2 text-sm text-soft tabular-nums">
        {calls(
          `${counted(side.model_calls, "model call")} · ${counted(side.input_tokens + side.output_tokens, "token")} · ${cost(side.cost_micros)}`,
        )}
        {side.tools.length > 0 && ` · ${side.tools.join(", ")}`}
      </p>
      {side.messages.length === 0 && <p className="p-4 text-soft">Nothing was said after that.</p>}
      <ol className="space-y-4 p-4">
        {side.messages.map(([role = "", content = ""], index) => {
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: messages of a log never change their order
            <li key={index}>
              <p className="mb-1 text-sm text-soft">{role}</p>
              {role === "user" ? (
                <p className="rounded-xl bg-accent-soft px-4 py-2 break-words whitespace-pre-wrap">{content}</p>
              ) : (
                <Markdown text={content} />
              )}
            </li>
          );
        })}
      </ol>
    </Card>
  );
}
