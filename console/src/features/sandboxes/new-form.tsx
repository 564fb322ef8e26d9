import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import { useUnsaved } from "@/components/ui/unsaved";
import { ApiError } from "@/lib/api";
import { createSandbox, type NewSandbox, type Sandbox, templatesQuery } from "./api";
import { BLANK, bodyOf, type Draft } from "./draft";
import { SecretsField } from "./secrets-field";

interface Props {
  snapshot: string | undefined;
  onMade: (sandbox: Sandbox) => void;
}

export function NewForm({ snapshot, onMade }: Props) {
  const queries = useQueryClient();
  const templates = useQuery(templatesQuery);
  const [draft, setDraft] = useState<Draft>(BLANK);
  const change = (next: Partial<Draft>) => setDraft((before) => ({ ...before, ...next }));
  const { question, saved } = useUnsaved({
    what: "the new sandbox",
    isChanged: JSON.stringify(draft) !== JSON.stringify(BLANK),
  });
  const making = useMutation({
    mutationFn: () => createSandbox(bodyOf(draft, snapshot)),
    onSuccess: async (sandbox) => {
      saved();
      await queries.invalidateQueries({ queryKey: ["sandboxes"] });
      onMade(sandbox);
    },
  });
  const problem = (field: string) =>
    making.error instanceof ApiError && making.error.field.startsWith(field) ? making.error.message : null;
  const chosen = templates.data?.data.find(({ name }) => name === draft.template);
  const number = (name: "cpus" | "memoryMb" | "diskMb" | "minutes", label: string, field: string) => (
    <Field label={label} error={problem(field)}>
      {(given) => (
        <Input
          {...given}
          type="number"
          min={0}
          step="any"
          required
          value={draft[name]}
          onChange={(event) => change({ [name]: event.target.value })}
        />
      )}
    </Field>
  );
  return (
    <Card>
      <form
        className="space-y-5 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          making.mutate();
        }}
      >
        {question}
        {snapshot && <p className="rounded-lg bg-accent-soft px-3 py-2">It begins with the files of a snapshot.</p>}
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Name" error={problem("name")}>
            {(given) => (
              <Input
                {...given}
                autoFocus
                placeholder="scratch"
                value={draft.name}
                onChange={(event) => change({ name: event.target.value })}
              />
            )}
          </Field>
          <Field
            label="Template"
            hint={chosen?.missing || chosen?.description || "What is installed in it."}
            error={problem("template")}
          >
            {(given) => (
              <Select {...given} value={draft.template} onChange={(event) => change({ template: event.target.value })}>
                <option value="">the usual one</option>
                {templates.data?.data.map(({ name, is_ready }) => (
                  <option key={name} value={name} disabled={!is_ready}>
                    {name}
                    {!is_ready && " (not ready)"}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <div className="grid grid-cols-2 gap-4 sm:grid-cols-4">
          {number("cpus", "Cores", "limits.cpus")}
          {number("memoryMb", "Memory, MiB", "limits.memory")}
          {number("diskMb", "Disk, MiB", "limits.disk")}
          {number("minutes", "Minutes unused", "lease_seconds")}
        </div>
        <Field label="When nobody has used it that long">
          {(given) => (
            <Select
              {...given}
              value={draft.onTimeout}
              onChange={(event) => change({ onTimeout: event.target.value as Draft["onTimeout"] })}
            >
              <option value="kill">end it</option>
              <option value="pause">pause it</option>
            </Select>
          )}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field
            label="Hosts it may reach"
            hint="None when empty. As api.example.org or *.example.org:8443."
            error={problem("allow_hosts")}
          >
            {(given) => (
              <TextArea
                {...given}
                rows={3}
                spellCheck={false}
                className="font-mono text-sm"
                value={draft.hosts}
                onChange={(event) => change({ hosts: event.target.value })}
              />
            )}
          </Field>
          <Field
            label="Variables"
            hint="NAME=value, one a line. What runs inside can read them."
            error={problem("env")}
          >
            {(given) => (
              <TextArea
                {...given}
                rows={3}
                spellCheck={false}
                className="font-mono text-sm"
                value={draft.env}
                onChange={(event) => change({ env: event.target.value })}
              />
            )}
          </Field>
        </div>
        <SecretsField secrets={draft.secrets} onSecrets={(secrets) => change({ secrets })} />
        {making.error && (
          <p role="alert" className="text-sm break-words text-bad">
            {making.error.message}
          </p>
        )}
        <div className="flex flex-wrap gap-2">
          <Button type="submit" look="main" disabled={making.isPending}>
            {making.isPending ? "Starting…" : "Start it"}
          </Button>
          <CopyCurl method="POST" path="/v1/sandboxes" body={withoutSecrets(draft, snapshot)} />
        </div>
      </form>
    </Card>
  );
}

function withoutSecrets(draft: Draft, snapshot: string | undefined): NewSandbox | undefined {
  try {
    const body = bodyOf(draft, snapshot);
    return { ...body, secrets: body.secrets?.map((secret) => ({ ...secret, value: "…" })) };
  } catch {
    return undefined; // the form says what is wrong when it is sent
  }
}
