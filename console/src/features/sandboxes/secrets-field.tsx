import { Plus, X } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import type { Secret } from "./draft";

let lastKey = 0;

interface Props {
  secrets: Secret[];
  onSecrets: (secrets: Secret[]) => void;
}

/** Bearer tokens that are put on requests outside of the sandbox; inside there is only a placeholder. */
export function SecretsField({ secrets, onSecrets }: Props) {
  const change = (key: number, next: Partial<Secret>) =>
    onSecrets(secrets.map((secret) => (secret.key === key ? { ...secret, ...next } : secret)));
  return (
    <fieldset className="space-y-2">
      <legend className="text-sm font-medium">Secrets</legend>
      <p className="text-sm text-soft">
        Set as a bearer token on requests to their hosts, outside of the sandbox. They never enter it and are never
        shown again.
      </p>
      {secrets.map((secret, index) => (
        <div key={secret.key} className="grid gap-2 sm:grid-cols-[1fr_1.4fr_1.4fr_auto]">
          <Input
            aria-label={`Name of secret ${index + 1}`}
            placeholder="API_KEY"
            value={secret.name}
            onChange={(event) => change(secret.key, { name: event.target.value })}
          />
          <Input
            aria-label={`Hosts of secret ${index + 1}`}
            placeholder="api.example.org"
            value={secret.hosts}
            onChange={(event) => change(secret.key, { hosts: event.target.value })}
          />
          <Input
            type="password"
            autoComplete="off"
            aria-label={`Value of secret ${index + 1}`}
            placeholder="its value"
            value={secret.value}
            onChange={(event) => change(secret.key, { value: event.target.value })}
          />
          <Button
            look="quiet"
            size="icon"
            aria-label={`Take secret ${index + 1} away`}
            onClick={() => onSecrets(secrets.filter(({ key }) => key !== secret.key))}
          >
            <X aria-hidden />
          </Button>
        </div>
      ))}
      <Button size="small" onClick={() => onSecrets([...secrets, { key: ++lastKey, name: "", hosts: "", value: "" }])}>
        <Plus aria-hidden /> Add a secret
      </Button>
    </fieldset>
  );
}
