import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import { useUnsaved } from "@/components/ui/unsaved";
import { ApiError } from "@/lib/api";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { type Memory, memoryQuery, TIERS, type Tier, undoMemory, updateMemory } from "./api";
import { Clash } from "./clash";

const draftOf = ({ content, tier, bucket, importance }: Memory) => ({
  content,
  tier: tier as Tier,
  bucket,
  importance,
});

/** Changes a memory at the version that was read; when somebody else was faster, both texts are shown. */
export function FactEditor({ memory }: { memory: Memory }) {
  const queries = useQueryClient();
  const [base, setBase] = useState(memory);
  const [draft, setDraft] = useState(draftOf(memory));
  const [newest, setNewest] = useState<Memory | null>(null);
  const change = (next: Partial<typeof draft>) => setDraft((before) => ({ ...before, ...next }));
  const settle = (saved: Memory) => {
    setBase(saved);
    setDraft(draftOf(saved));
    setNewest(null);
    queries.setQueryData(memoryQuery(saved.id).queryKey, saved);
    void queries.invalidateQueries({ queryKey: ["memories"] });
  };
  const saving = useMutation({
    mutationFn: (version: number) => updateMemory(memory.id, { ...draft, version }),
    onSuccess: (saved) => {
      settle(saved);
      reversible(`Version ${saved.version} is kept.`, () => undoMemory(saved.id).then(settle));
    },
    onError: async (error) => {
      if (!(error instanceof ApiError && error.status === 409)) return toast.error(error.message);
      setNewest(await queries.fetchQuery({ ...memoryQuery(memory.id), staleTime: 0 }));
    },
  });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(draftOf(base));
  if (memory.version > base.version && !isChanged && !newest && !saving.isPending) {
    // Somebody else has changed it, and there is nothing here that could be lost.
    setBase(memory);
    setDraft(draftOf(memory));
  }
  const { question } = useUnsaved({ what: "this memory", isChanged });
  const problem = (field: string) =>
    saving.error instanceof ApiError && saving.error.field === field ? saving.error.message : null;
  return (
    <form
      className="space-y-4 p-4"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate(base.version);
      }}
    >
      {question}
      <Field label="The fact" error={problem("content")}>
        {(given) => (
          <TextArea
            {...given}
            rows={3}
            required
            value={draft.content}
            onChange={(event) => change({ content: event.target.value })}
          />
        )}
      </Field>
      <div className="grid gap-4 sm:grid-cols-3">
        <Field label="How long it lasts">
          {(given) => (
            <Select {...given} value={draft.tier} onChange={(event) => change({ tier: event.target.value as Tier })}>
              {TIERS.map((tier) => (
                <option key={tier}>{tier}</option>
              ))}
            </Select>
          )}
        </Field>
        <Field label="Bucket" error={problem("bucket")}>
          {(given) => (
            <Input
              {...given}
              required
              value={draft.bucket}
              onChange={(event) => change({ bucket: event.target.value })}
            />
          )}
        </Field>
        <Field label="Importance, 0 to 1" error={problem("importance")}>
          {(given) => (
            <Input
              {...given}
              type="number"
              min={0}
              max={1}
              step="any"
              required
              value={draft.importance}
              onChange={(event) => change({ importance: Number(event.target.value) })}
            />
          )}
        </Field>
      </div>
      {newest && (
        <Clash
          by=""
          theirs={newest.content}
          mine={draft.content}
          onTheirs={() => settle(newest)}
          onMine={() => saving.mutate(newest.version)}
        />
      )}
      <div className="flex gap-2">
        <Button type="submit" look="main" disabled={saving.isPending || !isChanged || newest !== null}>
          Save as a new version
        </Button>
        <CopyCurl method="PATCH" path={`/v1/memories/${memory.id}`} body={{ ...draft, version: base.version }} />
        {isChanged && !newest && <Button onClick={() => setDraft(draftOf(base))}>Undo changes</Button>}
      </div>
    </form>
  );
}
