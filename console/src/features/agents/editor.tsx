import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { ShowPython } from "@/components/show-python";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import { useUnsaved } from "@/components/ui/unsaved";
import { ApiError } from "@/lib/api";
import { toast } from "@/lib/toast";
import { Abilities } from "./abilities";
import { type Agent, choicesQuery, createAgent, updateAgent } from "./api";
import { BLANK, bodyOf, type Draft, draftOf } from "./draft";

interface Props {
  agent: Agent | null;
  onSaved: (agent: Agent) => void;
}

export function Editor(props: Props) {
  const choices = useQuery(choicesQuery);
  return (
    <Shown of={choices} what="models and tools">
      {(found) => <Form key={props.agent?.id} choices={found} {...props} />}
    </Shown>
  );
}

export interface Found {
  models: { id: string; is_default: boolean; display_name: string }[];
  tools: { name: string; description: string; is_default: boolean }[];
  bases: { id: string; name: string; documents: number }[];
}

function Form({ agent, onSaved, choices }: Props & { choices: Found }) {
  const queries = useQueryClient();
  const [base, setBase] = useState(agent);
  const saved = base ? draftOf(base) : BLANK;
  const [draft, setDraft] = useState<Draft>(saved);
  const change = (next: Partial<Draft>) => setDraft((before) => ({ ...before, ...next }));
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved);
  const { question, saved: stored } = useUnsaved({ what: agent ? agent.name : "the new agent", isChanged });
  /** instead: what it takes the place of; what was written since stays. */
  const settle = (next: Agent, instead: Draft) => {
    setBase(next);
    setDraft((now) => (now === instead ? draftOf(next) : now));
  };
  const body = bodyOf(draft, agent);
  const request = {
    method: agent ? "PATCH" : "POST",
    path: agent ? `/v1/agents/${agent.slug}` : "/v1/agents",
    body,
  };
  const saving = useMutation({
    mutationFn: (_: Draft) => (agent ? updateAgent(agent.id, body) : createAgent(body)),
    onSuccess: async (made, sent) => {
      if (agent) settle(made, sent);
      else stored();
      toast.success(agent ? `Version ${made.version} is at work.` : `${made.name} is ready.`);
      await queries.invalidateQueries({ queryKey: ["agents"] });
      onSaved(made);
    },
    onError: (error) => toast.error(error.message),
  });
  // Somebody else has changed it, and there is nothing here that could be lost.
  if (agent && base && agent.version > base.version && !isChanged && !saving.isPending) settle(agent, draft);
  const problem = (field: string) =>
    saving.error instanceof ApiError && saving.error.field.startsWith(field) ? saving.error.message : null;
  const standard = choices.models.find((model) => model.is_default);
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate(draft);
      }}
    >
      {question}
      <Card title="What it is">
        <div className="space-y-4 p-4">
          <Field label="Name" error={problem("name")}>
            {(given) => (
              <Input
                {...given}
                required
                maxLength={200}
                value={draft.name}
                onChange={(event) => change({ name: event.target.value })}
              />
            )}
          </Field>
          <Field
            label="Description"
            hint="For people, and for agents that may give it tasks."
            error={problem("description")}
          >
            {(given) => (
              <Input
                {...given}
                value={draft.description}
                onChange={(event) => change({ description: event.target.value })}
              />
            )}
          </Field>
          <Field
            label="Instructions"
            hint="What the model reads before every conversation."
            error={problem("instructions")}
          >
            {(given) => (
              <TextArea
                {...given}
                rows={9}
                value={draft.instructions}
                onChange={(event) => change({ instructions: event.target.value })}
              />
            )}
          </Field>
          <Field label="Model" error={problem("model")}>
            {(given) => (
              <Select {...given} value={draft.model} onChange={(event) => change({ model: event.target.value })}>
                <option value="">The server's default{standard ? ` (${standard.id})` : ""}</option>
                {draft.model && !choices.models.some(({ id }) => id === draft.model) && (
                  <option value={draft.model}>{draft.model}</option>
                )}
                {choices.models.map((model) => (
                  <option key={model.id} value={model.id}>
                    {model.id}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
      </Card>
      <Abilities draft={draft} change={change} choices={choices} problem={problem} />
      <div className="sticky bottom-0 z-10 -mx-1 flex flex-wrap items-center gap-2 bg-ground px-1 py-3">
        <Button type="submit" look="main" disabled={saving.isPending || !isChanged || !draft.name.trim()}>
          {saving.isPending ? "Saving…" : agent ? "Save as a new version" : "Create the agent"}
        </Button>
        {isChanged && agent && <Button onClick={() => setDraft(saved)}>Undo changes</Button>}
        <CopyCurl {...request} />
        <ShowPython {...request} />
      </div>
    </form>
  );
}
