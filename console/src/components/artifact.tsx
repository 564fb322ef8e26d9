import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ChevronRight, Download, Paperclip } from "lucide-react";
import { useState } from "react";
import { api, data } from "@/lib/api";
import { readCsv } from "@/lib/csv";
import { bytes, count } from "@/lib/format";
import { type File, type Look, lookOf } from "@/lib/look";
import { useObjectUrl } from "@/lib/object-url";
import { fileAt, saveAt } from "@/lib/saving";
import { toast } from "@/lib/toast";
import { Code } from "./code";
import { Failure, Loading } from "./states";
import { Button } from "./ui/button";

const MOST_ROWS = 100;
const BOX = "flex h-80 items-center justify-center";

/** A file that a tool has made: a picture, a table, a text, and in any case a download. */
export function Artifact({ run, file }: { run: string; file: File }) {
  const queries = useQueryClient();
  const look = lookOf(file);
  const [isOpen, setIsOpen] = useState(look === "image");
  const saving = useMutation({
    mutationFn: async () => saveAt(await placeOf(queries, run, file.id), file.name.split("/").at(-1) ?? "file"),
    onError: (error) => toast.error(error.message),
  });
  return (
    <figure className="min-w-0 rounded-xl border border-line bg-panel" aria-label={`File ${file.name}`}>
      <figcaption className="flex min-h-11 items-center gap-2 py-1 pr-1 pl-3 text-sm">
        {look === "none" ? (
          <Paperclip className="size-4 shrink-0 text-soft" aria-hidden />
        ) : (
          <button
            type="button"
            aria-expanded={isOpen}
            aria-label={`${isOpen ? "Hide" : "Show"} ${file.name}`}
            className="rounded text-soft"
            onClick={() => setIsOpen(!isOpen)}
          >
            <ChevronRight className={`size-4 transition-transform ${isOpen ? "rotate-90" : ""}`} aria-hidden />
          </button>
        )}
        <span className="min-w-0 flex-1 truncate font-medium">{file.name}</span>
        <span className="shrink-0 text-soft tabular-nums">{bytes(file.size_bytes)}</span>
        <Button
          look="quiet"
          size="icon"
          aria-label={`Download ${file.name}`}
          title="Download"
          disabled={saving.isPending}
          onClick={() => saving.mutate()}
        >
          <Download aria-hidden />
        </Button>
      </figcaption>
      {isOpen && (
        <div className="border-t border-line p-3">
          <Content run={run} file={file} look={look} />
        </div>
      )}
    </figure>
  );
}

/** A conversation that was branched off shows what lies in the session of the run. */
async function placeOf(queries: QueryClient, run: string, artifact: string): Promise<string> {
  const { session_id } = await queries.fetchQuery({
    queryKey: ["run", run, "place"],
    queryFn: () => data(api.GET("/v1/runs/{run}", { params: { path: { run } } })),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return `/v1/sessions/${session_id}/artifacts/${artifact}/file`;
}

function Content({ run, file: { id, name }, look }: { run: string; file: File; look: Look }) {
  const queries = useQueryClient();
  const file = useQuery({
    queryKey: ["artifact", id],
    queryFn: async () => fileAt(await placeOf(queries, run, id)),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
  if (file.error) return <Failure error={file.error} onRetry={() => void file.refetch()} />;
  if (!file.data) {
    return (
      <div className={look === "image" ? BOX : undefined}>
        <Loading what={name} />
      </div>
    );
  }
  return <FileView file={file.data} look={look} name={name} />;
}

/** What is in a file, shown by its look. */
export function FileView({ file, look, name }: { file: Blob; look: Look; name: string }) {
  return look === "image" ? <Picture file={file} name={name} /> : <Written file={file} look={look} name={name} />;
}

function Picture({ file, name }: { file: Blob; name: string }) {
  const url = useObjectUrl(file);
  // A box of its own height, so that nothing below moves when the picture comes.
  return (
    <div className={BOX}>
      {url && <img src={url} alt={name} className="max-h-full max-w-full rounded bg-white object-contain" />}
    </div>
  );
}

function Written({ file, look, name }: { file: Blob; look: Look; name: string }) {
  const text = useQuery({ queryKey: ["file text", name, file.size, file.type], queryFn: () => file.text(), gcTime: 0 });
  if (text.data === undefined) return null;
  if (look !== "table") return <Code name={name} text={text.data} className="max-h-[32rem]" />;
  return <Table name={name} text={text.data} separator={/\.tsv$|tab-sep/i.test(`${name} ${file.type}`) ? "\t" : ","} />;
}

function Table({ name, text, separator }: { name: string; text: string; separator: string }) {
  const { rows, hasMore } = readCsv(text, separator, MOST_ROWS + 1);
  const [head, ...body] = rows;
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={name}
      className="max-h-[28rem] overflow-auto rounded-lg border border-line"
    >
      <table className="w-full text-left text-sm tabular-nums">
        <thead className="sticky top-0 bg-raised">
          <tr>
            {head?.map((cell, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns of a read file keep their order
              <th key={index} className="px-3 py-1.5 font-medium whitespace-nowrap">
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {body.map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows of a read file keep their order
            <tr key={index}>
              {row.map((cell, place) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: as above
                <td key={place} className="max-w-80 truncate px-3 py-1.5">
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {hasMore && (
        <p className="px-3 py-2 text-sm text-soft">The first {count(body.length)} rows. Download it for all.</p>
      )}
    </section>
  );
}
