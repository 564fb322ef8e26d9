import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Download, Upload } from "lucide-react";
import { useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { count } from "@/lib/format";
import { save } from "@/lib/saving";
import { toast } from "@/lib/toast";
import { createMemory, everyMemory, type Filter } from "./api";
import { linesOf, readLines } from "./lines";

/** All facts that the list shows as a file of JSON lines, and back. */
export function Transfer({ filter }: { filter: Filter }) {
  const queries = useQueryClient();
  const chooser = useRef<HTMLInputElement>(null);
  const [done, setDone] = useState<number | null>(null);
  const exporting = useMutation({
    mutationFn: () => everyMemory(filter),
    onSuccess: ({ memories, hasMore }) => {
      save(new Blob([linesOf(memories)], { type: "application/x-ndjson" }), "memories.jsonl");
      if (hasMore) toast.warning(`These are the newest ${count(memories.length)}; there are more.`);
    },
    onError: (error) => toast.error(error.message),
  });
  const importing = useMutation({
    mutationFn: async (file: File) => {
      const facts = readLines(await file.text());
      setDone(0);
      for (const [index, fact] of facts.entries()) {
        await createMemory({ ...fact, agent_id: fact.agent_id ?? filter.agent_id ?? null });
        setDone(index + 1);
      }
      return facts.length;
    },
    onSuccess: (number) => toast.success(number === 1 ? "1 fact is remembered." : `${number} facts are remembered.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => {
      setDone(null);
      void queries.invalidateQueries({ queryKey: ["memories"] });
    },
  });
  return (
    <>
      <Button disabled={exporting.isPending} title="As JSON lines" onClick={() => exporting.mutate()}>
        <Download aria-hidden /> Export
      </Button>
      <Button
        disabled={importing.isPending}
        title="JSON lines, each with a content"
        onClick={() => chooser.current?.click()}
      >
        <Upload aria-hidden /> {done === null ? "Import" : `${done} imported…`}
      </Button>
      <input
        ref={chooser}
        type="file"
        accept=".jsonl,.ndjson,.json"
        aria-label="Facts to import"
        className="sr-only"
        tabIndex={-1}
        onChange={(event) => {
          const file = event.target.files?.[0];
          event.target.value = "";
          if (file) importing.mutate(file);
        }}
      />
    </>
  );
}
