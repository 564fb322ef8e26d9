import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import { ApiError } from "@/lib/api";
import { reversible } from "@/lib/undo";
import { createMemory, deleteMemory, TIERS, type Tier } from "./api";
import type { Names } from "./facts";

function bodyOf(form: FormData) {
  const text = (name: string) => String(form.get(name) ?? "").trim();
  return {
    content: text("content"),
    agent_id: text("agent") || null,
    user_name: text("user") || null,
    tier: text("tier") as Tier,
    bucket: text("bucket") || "general",
  };
}

/** A fact that a person knows. */
interface Props {
  agents: Names;
  agent: string | undefined;
  isOpen: boolean;
  onOpen: (isOpen: boolean) => void;
}

export function AddFact({ agents, agent, isOpen, onOpen: setIsOpen }: Props) {
  const queries = useQueryClient();
  const read = () => queries.invalidateQueries({ queryKey: ["memories"] });
  const adding = useMutation({
    mutationFn: createMemory,
    onSuccess: (made) => {
      setIsOpen(false);
      reversible("It is remembered.", () => deleteMemory(made.id).then(read));
    },
    onSettled: read,
  });
  if (!isOpen) {
    return (
      <Button look="main" onClick={() => setIsOpen(true)}>
        <Plus aria-hidden /> Add a fact
      </Button>
    );
  }
  const problem = (field: string) =>
    adding.error instanceof ApiError && adding.error.field === field ? adding.error.message : null;
  return (
    <Card title="A new fact" className="w-full">
      <form
        className="space-y-4 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          adding.mutate(bodyOf(new FormData(event.currentTarget)));
        }}
      >
        <Field label="The fact" hint="One whole statement is found best." error={problem("content")}>
          {(given) => <TextArea {...given} name="content" rows={2} required autoFocus />}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
          <Field label="Who finds it">
            {(given) => (
              <Select {...given} name="agent" defaultValue={agent ?? ""}>
                <option value="">every agent</option>
                {[...agents].map(([id, name]) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="Only with this user" error={problem("user_name")}>
            {(given) => <Input {...given} name="user" placeholder="anybody" maxLength={200} />}
          </Field>
          <Field label="How long it lasts">
            {(given) => (
              <Select {...given} name="tier" defaultValue="long">
                {TIERS.map((tier) => (
                  <option key={tier}>{tier}</option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="Bucket" error={problem("bucket")}>
            {(given) => <Input {...given} name="bucket" placeholder="general" />}
          </Field>
        </div>
        {adding.error && !(adding.error instanceof ApiError && adding.error.field) && (
          <p role="alert" className="text-sm text-bad">
            {adding.error.message}
          </p>
        )}
        <div className="flex gap-2">
          <Button type="submit" look="main" disabled={adding.isPending}>
            Remember it
          </Button>
          <CopyCurl method="POST" path="/v1/memories" body={bodyOf} />
          <Button onClick={() => setIsOpen(false)}>Leave it</Button>
        </div>
      </form>
    </Card>
  );
}
