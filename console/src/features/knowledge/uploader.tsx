import { useQueryClient } from "@tanstack/react-query";
import { Upload } from "lucide-react";
import { useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";
import { bytes } from "@/lib/format";
import { upload } from "./api";

interface Sending {
  key: number;
  name: string;
  size: number;
  share: number;
  problem: string;
}

const KINDS = ".pdf,.docx,.txt,.md,.markdown,.html,.htm";
let lastKey = 0;

/** Takes files by drop or by choice, and sends them one after the other. */
export function Uploader({ base }: { base: string }) {
  const queries = useQueryClient();
  const [sending, setSending] = useState<Sending[]>([]);
  const [isOver, setIsOver] = useState(false);
  const chooser = useRef<HTMLInputElement>(null);
  const change = (key: number, next: Partial<Sending>) =>
    setSending((all) => all.map((each) => (each.key === key ? { ...each, ...next } : each)));

  async function send(files: File[]) {
    const queued = files.map((file) => ({
      file,
      entry: { key: ++lastKey, name: file.name, size: file.size, share: 0, problem: "" },
    }));
    setSending((all) => [...all.filter((each) => !each.problem), ...queued.map(({ entry }) => entry)]);
    for (const { file, entry } of queued) {
      try {
        await upload(base, file, (share) => change(entry.key, { share }));
        setSending((all) => all.filter((each) => each.key !== entry.key));
      } catch (error) {
        change(entry.key, { problem: error instanceof Error ? error.message : "That did not work." });
      }
      // A list that is on its way for the first time would be taken as it was before the upload.
      await queries.cancelQueries({ queryKey: ["knowledge"] });
      await queries.invalidateQueries({ queryKey: ["knowledge"] });
    }
  }

  return (
    <div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is for pointers; the button below does the same */}
      <div
        className={cn(
          "rounded-xl border border-dashed border-line p-6 text-center",
          isOver && "border-accent bg-accent-soft",
        )}
        onDragOver={(event) => {
          event.preventDefault();
          setIsOver(true);
        }}
        onDragLeave={() => setIsOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setIsOver(false);
          void send([...event.dataTransfer.files]);
        }}
      >
        <Button onClick={() => chooser.current?.click()}>
          <Upload aria-hidden /> Upload documents
        </Button>
        <p className="mt-2 text-sm text-soft">PDF, DOCX, HTML, Markdown or text; drop them here or choose them.</p>
        <input
          ref={chooser}
          type="file"
          multiple
          accept={KINDS}
          aria-label="Documents to upload"
          className="sr-only"
          tabIndex={-1}
          onChange={(event) => {
            void send([...(event.target.files ?? [])]);
            event.target.value = "";
          }}
        />
      </div>
      <ul className="mt-3 space-y-2" aria-live="polite">
        {sending.map((each) => (
          <li key={each.key} className="text-sm">
            <div className="flex justify-between gap-3">
              <span className="truncate">{each.name}</span>
              <span className="shrink-0 text-soft tabular-nums">
                {each.problem ? "" : `${Math.round(each.share * 100)} % of ${bytes(each.size)}`}
              </span>
            </div>
            {each.problem ? (
              <p role="alert" className="text-bad">
                {each.problem}
              </p>
            ) : (
              <progress className="h-1.5 w-full accent-accent" value={each.share} aria-label={`Sending ${each.name}`} />
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
