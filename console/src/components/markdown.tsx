import { memo, type ReactNode, useMemo } from "react";
import ReactMarkdown, { type Components, type ExtraProps } from "react-markdown";
import remarkGfm from "remark-gfm";
import { htmlAsText } from "@/lib/html-text";
import type { Citation } from "@/lib/log";
import { blocksOf, pictureUrl, safeUrl, withMarkers } from "@/lib/prose";
import { Picture } from "./picture";

interface Props {
  text: string;
  citations?: Citation[];
  onCitation?: (citation: Citation) => void;
}

// One and the same, so that blocks are not read again for the want of sources.
const NONE: Citation[] = [];

/** A model's text. HTML in it is shown as it was written and never becomes elements; no addresses but http, https and
 *  mailto; a picture from elsewhere is fetched when somebody asks for it, because fetching it tells its owner that it was
 *  read. Blocks that did not change are not read again while text comes. */
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
  const components = useMemo(() => componentsFor(citations, onCitation), [citations, onCitation]);
  return (
    <ReactMarkdown
      remarkPlugins={[remarkGfm, htmlAsText]}
      urlTransform={(url, name) => (name === "src" ? pictureUrl(url) : safeUrl(url))}
      components={components}
    >
      {text}
    </ReactMarkdown>
  );
});

// Of its own, so that one that is open stays open whatever comes around it.
const Img: Components["img"] = ({ src, alt = "" }) =>
  typeof src === "string" && src ? <Picture url={src} alt={alt} /> : <span>{alt}</span>;

const componentsFor = (citations: Citation[], onCitation: Props["onCitation"]): Components => ({
  a: ({ href, children, node }) => {
    const cited = href?.startsWith("#cite-") ? citations[Number(href.slice(6)) - 1] : undefined;
    if (cited) return <Marker number={Number(href?.slice(6))} citation={cited} onCitation={onCitation} />;
    if (!href) return <span>{children}</span>;
    // A picture is a card with buttons of its own, which cannot stand in a link.
    return holdsPicture(node) ? (
      <span>
        {children} <Away href={href}>{href}</Away>
      </span>
    ) : (
      <Away href={href}>{children}</Away>
    );
  },
  img: Img,
});

const holdsPicture = (node: ExtraProps["node"]): boolean =>
  !!node?.children.some((child) => child.type === "element" && (child.tagName === "img" || holdsPicture(child)));

function Away({ href, children }: { href: string; children: ReactNode }) {
  return (
    <a href={href} target="_blank" rel="noreferrer noopener">
      {children}
    </a>
  );
}

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
