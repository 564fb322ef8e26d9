import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { linkStyle } from "@/components/facts";
import { Card } from "@/components/page";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Check, Field, Input } from "@/components/ui/field";
import { ApiError } from "@/lib/api";
import { ago } from "@/lib/format";
import { toast } from "@/lib/toast";
import { type MemorySettings, saveSettings, settingsQuery, tend } from "./api";

/** How an agent's memory behaves. It is at work at once, without a new version of the agent. */
export function Settings({ agent }: { agent: string }) {
  const settings = useQuery(settingsQuery(agent));
  return (
    <Card
      title="Memory"
      actions={
        <Link to="/memory" search={{ agent }} className={`text-sm ${linkStyle}`}>
          What it remembers
        </Link>
      }
    >
      <Shown of={settings} what="the memory settings">
        {({ tended_at, ...found }) => (
          <Form key={JSON.stringify(found)} agent={agent} saved={found} tendedAt={tended_at} />
        )}
      </Shown>
    </Card>
  );
}

const CHOICES: [keyof MemorySettings & `${"is" | "shares" | "keeps" | "recalls"}${string}`, string, string][] = [
  ["recalls", "Recall by itself", "What fits a message is put into the prompt of the run that answers it."],
  [
    "is_learning",
    "Learn from conversations",
    "Facts are taken from a conversation once it has been quiet for a while.",
  ],
  ["shares_sessions", "Share between sessions", "What is said in one session is found in the same user's others."],
  ["keeps_answers", "Keep answers", "Each answer is kept as a working memory for an hour."],
];

interface Props {
  agent: string;
  saved: MemorySettings;
  tendedAt: string | null;
}

function Form({ agent, saved, tendedAt }: Props) {
  const queries = useQueryClient();
  const [draft, setDraft] = useState(saved);
  const change = (next: Partial<MemorySettings>) => setDraft((before) => ({ ...before, ...next }));
  const saving = useMutation({
    mutationFn: () => saveSettings(agent, draft),
    onSuccess: () => toast.success("Its memory behaves like that from now on."),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: settingsQuery(agent).queryKey }),
  });
  const tending = useMutation({
    mutationFn: () => tend(agent),
    onSuccess: () => toast.success("Its memories are being put in order."),
    onError: (error) => toast.error(error.message),
  });
  const problem = (field: string) =>
    saving.error instanceof ApiError && saving.error.field === field ? saving.error.message : null;
  return (
    <form
      className="space-y-4 p-4"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate();
      }}
    >
      <div>
        {CHOICES.map(([name, label, hint]) => (
          <Check
            key={name}
            label={label}
            hint={hint}
            checked={Boolean(draft[name])}
            onChange={(event) => change({ [name]: event.target.checked })}
          />
        ))}
      </div>
      {draft.is_learning && (
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Seconds of quiet before it learns" error={problem("idle_seconds")}>
            {(given) => (
              <Input
                {...given}
                type="number"
                min={1}
                required
                value={draft.idle_seconds}
                onChange={(event) => change({ idle_seconds: Number(event.target.value) })}
              />
            )}
          </Field>
          <Field label="Model that extracts" hint="Empty for the default one." error={problem("model")}>
            {(given) => (
              <Input
                {...given}
                maxLength={200}
                value={draft.model ?? ""}
                onChange={(event) => change({ model: event.target.value || null })}
              />
            )}
          </Field>
        </div>
      )}
      <div className="flex flex-wrap items-center gap-2">
        <Button type="submit" disabled={saving.isPending || JSON.stringify(draft) === JSON.stringify(saved)}>
          Save the memory settings
        </Button>
        <Button look="quiet" disabled={tending.isPending} onClick={() => tending.mutate()}>
          Put in order now
        </Button>
        <CopyCurl method="PUT" path={`/v1/agents/${agent}/memory/settings`} body={draft} />
        <span className="text-sm text-soft">
          {tending.data ? (
            <Link to="/runs/$run" params={{ run: tending.data.run_id }} className={linkStyle}>
              Follow it
            </Link>
          ) : (
            tendedAt && `put in order ${ago(tendedAt)}`
          )}
        </span>
      </div>
    </form>
  );
}
