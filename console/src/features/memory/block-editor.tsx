import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Button } from "@/components/ui/button";
import { Check, Field, Input, TextArea } from "@/components/ui/field";
import { useUnsaved } from "@/components/ui/unsaved";
import { ApiError } from "@/lib/api";
import { count } from "@/lib/format";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { who } from "@/lib/who";
import { type Block, blockQuery, blockVersionsQuery, undoBlock, updateBlock } from "./api";
import { Clash } from "./clash";

const draftOf = ({ content, description, most_characters, is_read_only }: Block) => ({
  content,
  description,
  most_characters,
  is_read_only,
});

/** Changes a block at the version that was read. An agent may edit it at the same time; then both texts are shown. */
export function BlockEditor({ block }: { block: Block }) {
  const queries = useQueryClient();
  const [base, setBase] = useState(block);
  const [draft, setDraft] = useState(draftOf(block));
  const [newest, setNewest] = useState<{ block: Block; by: string } | null>(null);
  const change = (next: Partial<typeof draft>) => setDraft((before) => ({ ...before, ...next }));
  const settle = (saved: Block) => {
    setBase(saved);
    setDraft(draftOf(saved));
    setNewest(null);
    queries.setQueryData(blockQuery(saved.id).queryKey, saved);
    void queries.invalidateQueries({ queryKey: ["memory-blocks"] });
  };
  const saving = useMutation({
    mutationFn: (version: number) => updateBlock(block.id, { ...draft, version }),
    onSuccess: (saved) => {
      settle(saved);
      reversible(`Version ${saved.version} stands in the prompt from the next model call on.`, () =>
        undoBlock(saved.id).then(settle),
      );
    },
    onError: async (error) => {
      if (!(error instanceof ApiError && error.status === 409)) return toast.error(error.message);
      const [found, versions] = await Promise.all([
        queries.fetchQuery({ ...blockQuery(block.id), staleTime: 0 }),
        queries.fetchQuery({ ...blockVersionsQuery(block.id), staleTime: 0 }),
      ]);
      setNewest({ block: found, by: versions.data[0]?.changed_by ?? "" });
    },
  });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(draftOf(base));
  if (block.version > base.version && !isChanged && !newest && !saving.isPending) {
    // Somebody else has changed it, and there is nothing here that could be lost.
    setBase(block);
    setDraft(draftOf(block));
  }
  const { question } = useUnsaved({ what: base.label, isChanged });
  const isTooLong = draft.content.length > draft.most_characters;
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
      <Field
        label="Text"
        hint={`${count(draft.content.length)} of ${count(draft.most_characters)} characters`}
        error={
          isTooLong
            ? `${count(draft.content.length)} characters; it holds ${count(draft.most_characters)}.`
            : problem("content")
        }
      >
        {(given) => (
          <TextArea
            {...given}
            rows={10}
            value={draft.content}
            onChange={(event) => change({ content: event.target.value })}
          />
        )}
      </Field>
      <div className="grid gap-4 sm:grid-cols-[minmax(0,1fr)_10rem]">
        <Field label="What it is for" error={problem("description")}>
          {(given) => (
            <Input
              {...given}
              value={draft.description}
              onChange={(event) => change({ description: event.target.value })}
            />
          )}
        </Field>
        <Field label="Characters at most" error={problem("most_characters")}>
          {(given) => (
            <Input
              {...given}
              type="number"
              min={1}
              required
              value={draft.most_characters}
              onChange={(event) => change({ most_characters: Number(event.target.value) })}
            />
          )}
        </Field>
      </div>
      <Check
        label="Read-only"
        hint="People change it; agents only read it."
        checked={draft.is_read_only}
        onChange={(event) => change({ is_read_only: event.target.checked })}
      />
      {newest && (
        <Clash
          by={newest.by && who(newest.by)}
          theirs={newest.block.content}
          mine={draft.content}
          onTheirs={() => settle(newest.block)}
          onMine={() => saving.mutate(newest.block.version)}
        />
      )}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="main" disabled={saving.isPending || !isChanged || isTooLong || newest !== null}>
          Save as a new version
        </Button>
        <CopyCurl method="PATCH" path={`/v1/memory-blocks/${block.id}`} body={{ ...draft, version: base.version }} />
        {isChanged && !newest && <Button onClick={() => setDraft(draftOf(base))}>Undo changes</Button>}
      </div>
    </form>
  );
}
