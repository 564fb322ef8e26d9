import { useQuery } from "@tanstack/react-query";
import { createFileRoute, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Card } from "@/components/page";
import { Secret } from "@/components/secret";
import { Button } from "@/components/ui/button";
import type { Trigger } from "@/features/triggers/api";
import { TriggerForm } from "@/features/triggers/trigger-form";
import { workflowsQuery } from "@/features/workflows/api";
import { serverUrl } from "@/lib/api";
import { useNames } from "./-names";

export const Route = createFileRoute("/automation/triggers/new")({ component: NewTrigger });

function NewTrigger() {
  const names = useNames();
  const navigate = useNavigate();
  const workflows = useQuery(workflowsQuery);
  const [made, setMade] = useState<{ trigger: Trigger; secret: string | null } | null>(null);
  const go = (trigger: Trigger) =>
    void navigate({ to: "/automation/triggers/$trigger", params: { trigger: trigger.id } });
  if (made) {
    return (
      <Card title="The trigger is made" className="max-w-2xl">
        <div className="space-y-4 p-4">
          <Secret
            name={made.secret ? "Secret" : "Address"}
            value={made.secret ?? `${serverUrl()}${made.trigger.hook_path}`}
          />
          {made.secret && (
            <p className="text-sm text-soft">
              Requests to <code className="font-mono break-all">{`${serverUrl()}${made.trigger.hook_path}`}</code> are
              signed with it, as standardwebhooks.com says.
            </p>
          )}
          <Button look="main" onClick={() => go(made.trigger)}>
            I have kept it
          </Button>
        </div>
      </Card>
    );
  }
  return (
    <Card title="New trigger" className="max-w-3xl">
      <div className="p-4">
        <TriggerForm
          agents={names.agents}
          workflows={workflows.data?.data ?? []}
          onDone={(trigger, secret) => {
            if (secret || trigger.when.verification === "url_token") setMade({ trigger, secret });
            else go(trigger);
          }}
        />
      </div>
    </Card>
  );
}
