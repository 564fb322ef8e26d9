import { memo, useMemo } from "react";
import ReactMarkdown from "react-markdown";
import remarkGfm from "remark-gfm";
import { htmlAsText } from "@/lib/html-text";
import type { Citation } from "@/lib/log";
import { blocksOf, safeUrl, withMarkers } from "@/lib/prose";

interface Props {
  text: string;
  citations?: Citation[];
  onCitation?: (citation: Citation) => void;
}

// One and the same, so that blocks are not read again for the want of sources.
const NONE: Citation[] = [];

/** A model's text. HTML in it is shown as it was written and never becomes elements; no addresses but http, https and mailto; a picture becomes a link, because
 *  loading it would tell its server who reads. Blocks that did not change are not read again while text comes. */
export function Markdown({ text, citations = NONE, onCitation }: Props) {
  const blocks = useMemo(() => blocksOf(withMarkers(text, citations)), [text, citations]);
  return (
    <div className="prose min-w-0 break-words">
      {blocks.map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: blocks only ever grow at the end
        <Block key={index} text={block} citations={citations} onCitation={onCitation} />
      ))}
    </div>
  );
}

const Block = memo(function Block({
  text,
  citations,
  onCitation,
}: Required<Pick<Props, "text" | "citations">> & Props) {
  return (
    <ReactMarkdown
      remarkPlugins={[remarkGfm, htmlAsText]}
      urlTransform={safeUrl}
      components={{
        a: ({ href, children }) => {
          const cited = href?.startsWith("#cite-") ? citations?.[Number(href.slice(6)) - 1] : undefined;
          if (cited) return <Marker number={Number(href?.slice(6))} citation={cited} onCitation={onCitation} />;
          return href ? (
            <a href={href} target="_blank" rel="noreferrer noopener">
              {children}
            </a>
          ) : (
            <span>{children}</span>
          );
        },
        img: ({ src, alt }) =>
          typeof src === "string" && src ? (
            <a href={src} target="_blank" rel="noreferrer noopener">
              picture{alt ? `: ${alt}` : ""}
            </a>
          ) : (
            <span>{alt}</span>
          ),
      }}
    >
      {text}
    </ReactMarkdown>
  );
});

function Marker({ number, citation, onCitation }: { number: number; citation: Citation } & Pick<Props, "onCitation">) {
  return (
    <button
      type="button"
      className="mx-0.5 inline-flex h-5 min-w-5 items-center justify-center rounded-full bg-accent-soft px-1.5 align-text-top text-xs font-semibold text-accent"
      aria-label={`Source ${number}: ${citation.document_name}`}
      title={citation.quote}
      onClick={() => onCitation?.(citation)}
    >
      {number}
    </button>
  );
}
