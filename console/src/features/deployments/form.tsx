import { useMutation } from "@tanstack/react-query";
import { Upload } from "lucide-react";
import { type FormEvent, type ReactNode, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import { useUnsaved } from "@/components/ui/unsaved";
import { ApiError } from "@/lib/api";
import { bytes } from "@/lib/format";
import { type Deployment, uploadProgram } from "./api";
import { type Draft, RUNTIMES } from "./draft";

interface Props {
  begin: Draft;
  /** What is changed; without, a new one is made. */
  before?: Deployment;
  action: string;
  /** stored: to be called before going elsewhere. */
  onSave: (draft: Draft, stored: () => void) => Promise<unknown>;
  actions?: ReactNode;
}

/** Everything a deployment is made of. What cannot be is said at its field, in the server's words. */
export function DeploymentForm({ begin, before, action, onSave, actions }: Props) {
  const [start] = useState(begin);
  const [draft, setDraft] = useState(begin);
  const { question, saved } = useUnsaved({
    what: before ? before.name : "the new deployment",
    isChanged: JSON.stringify(draft) !== JSON.stringify(start),
    isKept: before && (({ change }) => change === true),
  });
  const saving = useMutation({ mutationFn: () => onSave(draft, saved) });
  const refused = saving.error instanceof ApiError ? saving.error : null;
  const problem = (field: string) => (refused?.field === field ? refused.message : null);
  const set = (field: keyof Draft) => (event: { target: { value: string } }) =>
    setDraft((now) => ({ ...now, [field]: event.target.value }));
  const text = (field: keyof Draft, label: string, more?: { hint?: string; placeholder?: string; mono?: boolean }) => (
    <Field label={label} hint={more?.hint} error={problem(field)}>
      {(given) => (
        <Input
          {...given}
          className={more?.mono ? "font-mono text-sm" : undefined}
          placeholder={more?.placeholder}
          value={draft[field]}
          onChange={set(field)}
        />
      )}
    </Field>
  );
  const known = refused && refused.field in draft;
  return (
    <form
      className="grid gap-4 sm:grid-cols-2"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        saving.mutate();
      }}
    >
      {question}
      {!before && text("name", "Name", { hint: "a-z, 0-9 and -; a part of its address." })}
      <Field label="Runtime" error={problem("runtime")}>
        {(given) => (
          <Select {...given} value={draft.runtime} onChange={set("runtime")}>
            {RUNTIMES.map((runtime) => (
              <option key={runtime}>{runtime}</option>
            ))}
          </Select>
        )}
      </Field>
      <div className="sm:col-span-2">
        {text("binary_url", "Program", { hint: "https://… or storage://…, or upload it.", mono: true })}
        <ProgramUpload onUploaded={(binary_url) => setDraft((now) => ({ ...now, binary_url, sha256: "" }))} />
      </div>
      {text("replicas", "Replicas")}
      {text("region", "Region", { hint: "Empty for any." })}
      {text("cpu", "Cores", { hint: "Such as 0.5 or 2." })}
      {text("memory", "Memory", { hint: "With Ki, Mi or Gi." })}
      {text("port", "Port", { hint: "Given to the program as PORT." })}
      {text("health_path", "Health path", { hint: "Once named, it must answer there.", placeholder: "/health" })}
      <Field label="Arguments" hint="One a line." error={problem("command")}>
        {(given) => (
          <TextArea {...given} rows={3} className="font-mono text-sm" value={draft.command} onChange={set("command")} />
        )}
      </Field>
      <Field
        label="Environment"
        hint={
          before?.environment_names.length
            ? `Replaces ${before.environment_names.join(", ")}; empty leaves them.`
            : "NAME=value, one a line; never shown again."
        }
        error={problem("environment")}
      >
        {(given) => (
          <TextArea
            {...given}
            rows={3}
            className="font-mono text-sm"
            value={draft.environment}
            onChange={set("environment")}
          />
        )}
      </Field>
      <div className="sm:col-span-2">
        {text("sha256", "SHA-256", { hint: "What the download must be. Empty for whatever it is.", mono: true })}
      </div>
      {saving.error && !known && (
        <p role="alert" className="text-bad sm:col-span-2">
          {saving.error.message}
        </p>
      )}
      <div className="flex flex-wrap gap-2 sm:col-span-2">
        <Button type="submit" look="main" disabled={saving.isPending}>
          {action}
        </Button>
        {actions}
      </div>
    </form>
  );
}

function ProgramUpload({ onUploaded }: { onUploaded: (address: string) => void }) {
  const chooser = useRef<HTMLInputElement>(null);
  const [share, setShare] = useState(0);
  const sending = useMutation({
    mutationFn: (file: File) => uploadProgram(file, setShare),
    onSuccess: onUploaded,
  });
  const file = sending.variables;
  return (
    <div className="mt-2 flex flex-wrap items-center gap-3 text-sm">
      <Button size="small" disabled={sending.isPending} onClick={() => chooser.current?.click()}>
        <Upload aria-hidden /> Upload a program
      </Button>
      <input
        ref={chooser}
        type="file"
        aria-label="Program to upload"
        className="sr-only"
        tabIndex={-1}
        onChange={(event) => {
          const chosen = event.target.files?.[0];
          if (chosen) sending.mutate(chosen);
          event.target.value = "";
        }}
      />
      <span aria-live="polite" className="text-soft">
        {file && sending.isPending && `${Math.round(share * 100)} % of ${bytes(file.size)}`}
        {file && sending.isSuccess && `${file.name} is uploaded.`}
      </span>
      {sending.error && (
        <span role="alert" className="text-bad">
          {sending.error.message}
        </span>
      )}
    </div>
  );
}
