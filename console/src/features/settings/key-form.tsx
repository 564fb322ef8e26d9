import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Problem } from "@/components/problem";
import { Secret } from "@/components/secret";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { createKey, ROLES, type Role } from "./api";
import { ROLE_TOLD } from "./user-form";

const SURFACES = ["native", "neura", "neuais", "neuronagent", "neuralhub", "auvy"];
const DAYS: [string, number][] = [
  ["never", 0],
  ["in a day", 1],
  ["in 30 days", 30],
  ["in 90 days", 90],
  ["in a year", 365],
];

/** Makes a key and shows it once. */
export function KeyForm({ onDone }: { onDone: () => void }) {
  const queries = useQueryClient();
  const [rights, setRights] = useState<"role" | "scopes">("role");
  const bodyOf = (form: FormData) => {
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const days = Number(text("days"));
    return {
      name: text("name"),
      surface: text("surface"),
      ...(rights === "role"
        ? { role: text("role") as Role }
        : {
            scopes: text("scopes")
              .split(/[\s,]+/)
              .filter(Boolean),
          }),
      ...(text("rate") ? { rate_per_minute: Number(text("rate")) } : {}),
      ...(days ? { expires_at: new Date(Date.now() + days * 86_400_000).toISOString() } : {}),
    };
  };
  const making = useMutation({
    mutationFn: (form: FormData) => createKey(bodyOf(form)),
    onSettled: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  if (making.data) {
    return (
      <div className="space-y-4">
        <Secret name="Key" value={making.data.key} />
        <div className="flex justify-end">
          <Button look="main" onClick={onDone}>
            I have kept it
          </Button>
        </div>
      </div>
    );
  }
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        making.mutate(new FormData(event.currentTarget));
      }}
    >
      <Field label="Name" hint="Who or what uses it.">
        {(given) => <Input {...given} name="name" required maxLength={200} autoComplete="off" />}
      </Field>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Rights by">
          {(given) => (
            <Select {...given} value={rights} onChange={(event) => setRights(event.target.value as typeof rights)}>
              <option value="role">a role</option>
              <option value="scopes">scopes</option>
            </Select>
          )}
        </Field>
        {rights === "role" ? (
          <Field label="Role">
            {(given) => (
              <Select {...given} name="role" defaultValue="user">
                {ROLES.map((role) => (
                  <option key={role} value={role}>
                    {role}: {ROLE_TOLD[role]}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        ) : (
          <Field label="Scopes" hint="As agents:read, runs:*, *:read; with spaces between.">
            {(given) => <Input {...given} name="scopes" required className="font-mono" autoComplete="off" />}
          </Field>
        )}
        <Field label="Requests a minute">
          {(given) => <Input {...given} name="rate" type="number" min={1} placeholder="the server's default" />}
        </Field>
        <Field label="Ends">
          {(given) => (
            <Select {...given} name="days" defaultValue={0}>
              {DAYS.map(([name, days]) => (
                <option key={days} value={days}>
                  {name}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field label="Looks like a key of" hint="It opens every surface.">
          {(given) => (
            <Select {...given} name="surface" defaultValue="native">
              {SURFACES.map((surface) => (
                <option key={surface}>{surface}</option>
              ))}
            </Select>
          )}
        </Field>
      </div>
      <Problem of={making.error} />
      <div className="flex justify-end">
        <CopyCurl method="POST" path="/v1/keys" body={bodyOf} />
        <Button type="submit" look="main" disabled={making.isPending}>
          Make key
        </Button>
      </div>
    </form>
  );
}
