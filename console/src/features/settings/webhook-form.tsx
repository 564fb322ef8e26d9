import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Problem } from "@/components/problem";
import { Secret } from "@/components/secret";
import { Button } from "@/components/ui/button";
import { Check, Field, Input } from "@/components/ui/field";
import { toast } from "@/lib/toast";
import { changeWebhook, createWebhook, eventTypesQuery, type Webhook } from "./api";

interface Props {
  webhook?: Webhook;
  onDone: (webhook: Webhook) => void;
}

/** Registers an endpoint, or changes one. Its secret is shown once. */
export function WebhookForm({ webhook, onDone }: Props) {
  const queries = useQueryClient();
  const types = useQuery(eventTypesQuery);
  const [isAll, setIsAll] = useState(webhook?.event_types.includes("*") ?? true);
  const [chosen, setChosen] = useState<string[]>(webhook?.event_types.filter((type) => type !== "*") ?? []);
  const [made, setMade] = useState<{ webhook: Webhook; secret: string } | null>(null);
  const bodyOf = (form: FormData) => ({
    url: String(form.get("url")).trim(),
    description: String(form.get("description") ?? "").trim(),
    event_types: isAll ? ["*"] : chosen,
  });
  const saving = useMutation({
    mutationFn: async (form: FormData) => {
      const body = bodyOf(form);
      return webhook ? { ...(await changeWebhook(webhook.id, body)), secret: "" } : createWebhook(body);
    },
    onSuccess: ({ secret, ...found }) => {
      toast.success(webhook ? "The webhook is changed." : "The webhook is registered.");
      if (secret) setMade({ webhook: found, secret });
      else onDone(found);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["webhooks"] }),
  });
  if (made) {
    return (
      <div className="space-y-4">
        <Secret name="Signing secret" value={made.secret} />
        <p className="text-sm text-soft">Deliveries are signed with it, as standardwebhooks.com says.</p>
        <div className="flex justify-end gap-2">
          <Button look="main" onClick={() => onDone(made.webhook)}>
            I have kept it
          </Button>
        </div>
      </div>
    );
  }
  // A family, as run.*, stands for types that come later too.
  const families = [...new Set(types.data?.data.map((type) => `${type.split(".")[0]}.*`))];
  const known = [...new Set([...families, ...(types.data?.data ?? []), ...chosen])].sort();
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate(new FormData(event.currentTarget));
      }}
    >
      <Field
        label="Address"
        hint="https:// of a program, or mailto: and an address where the operator has a mail server."
      >
        {(given) => (
          <Input
            {...given}
            name="url"
            required
            maxLength={8000}
            defaultValue={webhook?.url}
            placeholder="https://example.org/hooks"
          />
        )}
      </Field>
      <Field label="Description">
        {(given) => <Input {...given} name="description" maxLength={500} defaultValue={webhook?.description} />}
      </Field>
      <fieldset>
        <legend className="mb-1.5 text-sm font-medium">Told of</legend>
        <Check
          label="everything that happens in runs"
          checked={isAll}
          onChange={(event) => setIsAll(event.target.checked)}
        />
        {!isAll && (
          <div className="mt-1 grid max-h-60 gap-x-2 overflow-y-auto rounded-lg border border-line p-2 sm:grid-cols-2">
            {known.map((type) => (
              <Check
                key={type}
                label={type}
                checked={chosen.includes(type)}
                onChange={(event) =>
                  setChosen((before) =>
                    event.target.checked ? [...before, type] : before.filter((each) => each !== type),
                  )
                }
              />
            ))}
          </div>
        )}
      </fieldset>
      <Problem of={saving.error} />
      <div className="flex justify-end gap-2">
        <CopyCurl
          method={webhook ? "PATCH" : "POST"}
          path={webhook ? `/v1/webhooks/${webhook.id}` : "/v1/webhooks"}
          body={bodyOf}
        />
        <Button type="submit" look="main" disabled={saving.isPending || (!isAll && chosen.length === 0)}>
          {webhook ? "Save" : "Register"}
        </Button>
      </div>
    </form>
  );
}
