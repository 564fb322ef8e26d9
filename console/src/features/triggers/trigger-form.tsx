import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Problem } from "@/components/problem";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import { toast } from "@/lib/toast";
import {
  changeTrigger,
  createTrigger,
  type Kind,
  previewQuery,
  type TriggerForm as Said,
  type Trigger,
  type When,
} from "./api";
import { KINDS, parsed, readWhen } from "./when";
import { WhenFields } from "./when-fields";

interface Choice {
  id: string;
  name: string;
}

interface Props {
  trigger?: Trigger;
  agents: Choice[];
  workflows: Choice[];
  onDone: (trigger: Trigger, secret: string | null) => void;
}

const PAUSE_MS = 300;
const BY_TIME: Kind[] = ["cron", "interval", "at"];

/** Makes a trigger or changes one. What its times are is shown while it is written. */
export function TriggerForm({ trigger, agents, workflows, onDone }: Props) {
  const queries = useQueryClient();
  const form = useRef<HTMLFormElement>(null);
  const [kind, setKind] = useState<Kind>((trigger?.when.kind as Kind | undefined) ?? "cron");
  const [target, setTarget] = useState<"agent" | "workflow">(trigger?.workflow_id ? "workflow" : "agent");
  const [when, setWhen] = useState<When | null>(null);
  const preview = useQuery(previewQuery(when));
  const saving = useMutation({
    mutationFn: async (values: FormData) => {
      const said = read(values, kind, target);
      if (!trigger) return createTrigger(said);
      // A `when` that is sent begins to count anew, so one that was not touched is not sent.
      const { when: meant, ...rest } = said;
      const isSame = JSON.stringify(sorted(meant)) === JSON.stringify(sorted(initial.current ?? meant));
      return changeTrigger(trigger.id, isSame ? rest : said);
    },
    onSuccess: (made) => {
      toast.success(trigger ? "The trigger is changed." : "The trigger is made.");
      onDone(made, "secret" in made ? ((made.secret as string | null) ?? null) : null);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["triggers"] }),
  });
  const initial = useRef<When | null>(null);
  const look = () => {
    if (!form.current) return;
    try {
      const read = readWhen(kind, new FormData(form.current));
      initial.current ??= trigger ? read : null;
      setWhen(BY_TIME.includes(kind) && isWhole(read) ? read : null);
    } catch {
      setWhen(null); // half a moment or half a filter has no times yet
    }
  };
  const pause = useRef<ReturnType<typeof setTimeout>>(undefined);
  // While one writes rather than when one leaves a field: a page that grows under a press takes the button away from it.
  const lookSoon = () => {
    clearTimeout(pause.current);
    pause.current = setTimeout(look, PAUSE_MS);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: each kind has fields of its own, with times of their own
  useEffect(() => {
    look();
    return () => clearTimeout(pause.current);
  }, [kind]);
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    saving.mutate(new FormData(event.currentTarget));
  };
  return (
    <form ref={form} className="space-y-4" onSubmit={onSubmit} onInput={lookSoon}>
      <Field label="Name">
        {(given) => <Input {...given} name="name" required maxLength={200} defaultValue={trigger?.name} />}
      </Field>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Starts">
          {(given) => (
            <Select {...given} value={target} onChange={(event) => setTarget(event.target.value as typeof target)}>
              <option value="agent">an agent</option>
              <option value="workflow">a workflow</option>
            </Select>
          )}
        </Field>
        <Field label={target === "agent" ? "Agent" : "Workflow"}>
          {(given) => (
            <Select
              key={target}
              {...given}
              name="target"
              required
              defaultValue={trigger?.agent_id ?? trigger?.workflow_id ?? ""}
            >
              <option value="" disabled>
                Choose one
              </option>
              {(target === "agent" ? agents : workflows).map(({ id, name }) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </Select>
          )}
        </Field>
      </div>
      {target === "agent" ? (
        <Field label="Message" hint="{{ scheduled_at }}, {{ event.data.… }} and {{ payload.… }} are filled in.">
          {(given) => <TextArea {...given} name="message" rows={3} required defaultValue={trigger?.message ?? ""} />}
        </Field>
      ) : (
        <Field label="Input" hint="JSON; placeholders in its texts are filled in.">
          {(given) => (
            <TextArea
              {...given}
              name="input"
              rows={3}
              className="font-mono text-sm"
              defaultValue={JSON.stringify(trigger?.input ?? {}, null, 2)}
            />
          )}
        </Field>
      )}
      <Field label="When">
        {(given) => (
          <Select
            {...given}
            value={kind}
            disabled={trigger !== undefined}
            onChange={(event) => {
              setKind(event.target.value as Kind);
              setWhen(null);
            }}
          >
            {Object.entries(KINDS).map(([key, name]) => (
              <option key={key} value={key}>
                {name}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <WhenFields
        key={kind}
        kind={kind}
        when={trigger && trigger.when.kind === kind ? trigger.when : undefined}
        agents={agents}
      />
      {BY_TIME.includes(kind) && (
        <p className="min-h-5 text-sm text-soft" aria-live="polite">
          {!when
            ? ""
            : preview.error
              ? preview.error.message
              : preview.data
                ? `Next: ${preview.data.data.map(({ local }) => local.slice(0, 16).replace("T", " ")).join(" · ") || "never"}`
                : ""}
        </p>
      )}
      <div className="grid gap-4 sm:grid-cols-3">
        <Field label="While one still runs">
          {(given) => (
            <Select {...given} name="overlap" defaultValue={trigger?.overlap ?? "skip"}>
              <option value="skip">skip it</option>
              <option value="queue">wait its turn</option>
              <option value="cancel_previous">cancel the earlier</option>
              <option value="parallel">run beside it</option>
            </Select>
          )}
        </Field>
        <Field label="Times that passed while off">
          {(given) => (
            <Select {...given} name="missed" defaultValue={trigger?.missed ?? "once"}>
              <option value="once">fire once</option>
              <option value="skip">let them go</option>
            </Select>
          )}
        </Field>
        <Field label="Pause after failures">
          {(given) => (
            <Input
              {...given}
              name="max_failures"
              type="number"
              min={1}
              placeholder="never"
              defaultValue={trigger?.max_failures ?? ""}
            />
          )}
        </Field>
      </div>
      <Problem of={saving.error} />
      <div className="flex justify-end">
        <CopyCurl
          method={trigger ? "PATCH" : "POST"}
          path={trigger ? `/v1/triggers/${trigger.id}` : "/v1/triggers"}
          body={(values: FormData) => read(values, kind, target)}
        />
        <Button type="submit" look="main" disabled={saving.isPending}>
          {trigger ? "Save" : "Make trigger"}
        </Button>
      </div>
    </form>
  );
}

/** Whether it can have times at all: half a cron line is not worth asking about. */
const isWhole = (when: When) => when.kind !== "cron" || String(when.cron).split(/\s+/).length === 5;

const sorted = (when: When) => Object.entries(when).sort(([one], [other]) => one.localeCompare(other));

function read(values: FormData, kind: Kind, target: "agent" | "workflow"): Said & { when: When } {
  const text = (name: string) => String(values.get(name) ?? "").trim();
  const chosen = text("target");
  return {
    name: text("name"),
    ...(target === "agent"
      ? { agent_id: chosen, message: String(values.get("message") ?? "") }
      : { workflow_id: chosen, input: parsed(text("input") || "{}") }),
    when: readWhen(kind, values),
    overlap: text("overlap") as Trigger["overlap"],
    missed: text("missed") as Trigger["missed"],
    max_failures: text("max_failures") ? Number(text("max_failures")) : null,
  };
}
