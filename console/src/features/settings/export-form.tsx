import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useRef, useState } from "react";
import { Problem } from "@/components/problem";
import { Button } from "@/components/ui/button";
import { Check } from "@/components/ui/field";
import { bytes, counted } from "@/lib/format";
import { toast } from "@/lib/toast";
import { exported, PARTS, type Part, save } from "./export";

/** Takes what the workspace holds along, as one file. */
export function ExportForm() {
  const [chosen, setChosen] = useState<Part[]>(["agents", "sessions", "memories"]);
  const [things, setThings] = useState(0);
  const stop = useRef<AbortController | null>(null);
  const exporting = useMutation({
    mutationFn: async () => {
      stop.current = new AbortController();
      setThings(0);
      const blob = await exported(chosen, setThings, stop.current.signal);
      save(blob, `glia-${new Date().toISOString().slice(0, 10)}.jsonl`);
      return blob.size;
    },
    onSuccess: (size) => toast.success(`${counted(things, "thing")}, ${bytes(size)}.`),
  });
  const wasStopped = exporting.error?.name === "AbortError";
  return (
    <div className="space-y-4 p-4">
      <fieldset className="grid gap-1 sm:grid-cols-2">
        <legend className="mb-2 text-sm text-soft">
          One JSON object a line. Keys, passwords and secrets are never in it.
        </legend>
        {(Object.entries(PARTS) as [Part, string][]).map(([part, name]) => (
          <Check
            key={part}
            label={name}
            checked={chosen.includes(part)}
            disabled={exporting.isPending}
            onChange={(event) =>
              setChosen((before) => (event.target.checked ? [...before, part] : before.filter((each) => each !== part)))
            }
          />
        ))}
      </fieldset>
      {!wasStopped && <Problem of={exporting.error} />}
      <div className="flex items-center gap-3">
        <Button look="main" disabled={!chosen.length || exporting.isPending} onClick={() => exporting.mutate()}>
          <Download aria-hidden /> Export
        </Button>
        {exporting.isPending && (
          <>
            <Button onClick={() => stop.current?.abort()}>Stop</Button>
            <span role="status" className="text-sm text-soft tabular-nums">
              {counted(things, "thing")}
            </span>
          </>
        )}
      </div>
    </div>
  );
}
