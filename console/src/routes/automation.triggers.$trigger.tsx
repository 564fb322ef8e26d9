import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft, KeyRound, Pause, Pencil, Play, Trash2, Zap } from "lucide-react";
import { useState } from "react";
import { Code } from "@/components/code";
import { CopyCurl } from "@/components/copy-curl";
import { Details } from "@/components/details";
import { Loaded } from "@/components/loaded";
import { Modal } from "@/components/modal";
import { Card } from "@/components/page";
import { PlaceLink } from "@/components/place-link";
import { Secret } from "@/components/secret";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import {
  deleteTrigger,
  fireTrigger,
  firingsQuery,
  pauseTrigger,
  renewSecret,
  resumeTrigger,
  type Trigger,
  timesQuery,
  triggerQuery,
} from "@/features/triggers/api";
import { Firings } from "@/features/triggers/firings";
import { TriggerForm } from "@/features/triggers/trigger-form";
import { toldWhen } from "@/features/triggers/when";
import { workflowsQuery } from "@/features/workflows/api";
import { serverUrl } from "@/lib/api";
import { count, moment, pretty } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { useNames } from "./-names";
import { runLink } from "./-run-link";

export const Route = createFileRoute("/automation/triggers/$trigger")({
  component: TriggerPage,
  validateSearch: ({ edit }: Record<string, unknown>): { edit?: true } => (edit === true ? { edit } : {}),
});

function TriggerPage() {
  const { trigger: id } = Route.useParams();
  const trigger = useQuery(triggerQuery(id));
  return (
    <Loaded of={trigger} what="the trigger" back={{ to: "/automation/triggers", name: "All triggers" }}>
      {(found) => <Found key={found.id} trigger={found} />}
    </Loaded>
  );
}

function Found({ trigger }: { trigger: Trigger }) {
  const { edit } = Route.useSearch();
  const navigate = Route.useNavigate();
  const names = useNames();
  const workflows = useQuery(workflowsQuery);
  const firings = useInfiniteQuery(firingsQuery(trigger.id));
  const times = useQuery(timesQuery(trigger.id));
  const workflow = workflows.data?.data.find(({ id }) => id === trigger.workflow_id);
  const agent = names.agents.find(({ id }) => id === trigger.agent_id);
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <Link to="/automation/triggers" className="flex items-center gap-1.5 text-sm text-accent">
          <ArrowLeft className="size-4" aria-hidden /> All triggers
        </Link>
        <div className="flex-1" />
        <Actions trigger={trigger} onEdit={() => void navigate({ search: { edit: true } })} />
        <CopyCurl path={`/v1/triggers/${trigger.id}`} />
      </div>
      <h2 className="flex flex-wrap items-center gap-3 text-xl font-semibold wrap-anywhere">
        {trigger.name} <Status value={trigger.status} className={trigger.status === "active" ? "text-good" : ""} />
      </h2>
      {trigger.pause_reason && <p className="rounded-lg bg-warn-soft px-4 py-3 text-warn">{trigger.pause_reason}</p>}
      <div className="grid gap-5 lg:grid-cols-2">
        <Card title="What it does">
          <Details
            of={[
              ["Fires", toldWhen(trigger.when)],
              [
                "Starts",
                trigger.workflow_id ? (
                  <Link
                    key="target"
                    to="/automation/workflows/$workflow"
                    params={{ workflow: workflow?.slug ?? trigger.workflow_id }}
                    className="text-accent underline underline-offset-2"
                  >
                    {workflow?.name ?? "a workflow"}
                  </Link>
                ) : agent ? (
                  <Link
                    key="target"
                    to="/agents/$agent"
                    params={{ agent: agent.slug }}
                    className="text-accent underline underline-offset-2"
                  >
                    {agent.name}
                  </Link>
                ) : (
                  names.agent(trigger.agent_id)
                ),
              ],
              ["While one runs", trigger.overlap.replace("_", " ")],
              ["Passed while off", trigger.missed === "once" ? "fires once" : "let go"],
              ["Pauses after", trigger.max_failures === null ? "never" : `${trigger.max_failures} failures in a row`],
              [
                "Firings",
                <PlaceLink key="firings" place="firings">
                  {count(trigger.firings)}
                </PlaceLink>,
              ],
              ...(trigger.hook_path
                ? [
                    [
                      "Address",
                      <code key="hook" className="font-mono break-all">{`${serverUrl()}${trigger.hook_path}`}</code>,
                    ] as const,
                  ]
                : []),
            ]}
          />
          <div className="px-4 pb-4">
            <Code
              name={trigger.workflow_id ? "Input" : "Message"}
              text={trigger.workflow_id ? pretty(trigger.input) : (trigger.message ?? "")}
            />
          </div>
        </Card>
        <Card title="Next times">
          <Shown of={times} what="the next times">
            {({ data }) =>
              data.length ? (
                <ol className="divide-y divide-line">
                  {data.map(({ at, local }) => (
                    <li key={at} className="flex justify-between gap-3 px-4 py-2 text-sm">
                      <span>{moment(at)}</span>
                      <span className="text-soft">{local.slice(0, 19).replace("T", " ")} on its clock</span>
                    </li>
                  ))}
                </ol>
              ) : (
                <p className="p-4 text-soft">No time brings it about.</p>
              )
            }
          </Shown>
          {trigger.status === "paused" && (
            <p className="px-4 pb-4 text-sm text-warn">It is paused; these times pass without it.</p>
          )}
        </Card>
      </div>
      <Card id="firings" title="What came of it" actions={<CopyCurl path={`/v1/triggers/${trigger.id}/firings`} />}>
        <Shown
          of={{
            data: firings.data?.pages.flatMap((page) => page.data),
            error: firings.error,
            refetch: firings.refetch,
          }}
          what="firings"
        >
          {(found) =>
            found.length ? (
              <Firings firings={found} link={runLink} />
            ) : (
              <div className="p-4">
                <Empty title="It has not fired yet">“Fire now” tries it.</Empty>
              </div>
            )
          }
        </Shown>
        {firings.hasNextPage && (
          <div className="border-t border-line p-3 text-center">
            <Button disabled={firings.isFetchingNextPage} onClick={() => void firings.fetchNextPage()}>
              Older firings
            </Button>
          </div>
        )}
      </Card>
      <Modal title={`Change ${trigger.name}`} isOpen={edit === true} onClose={() => void navigate({ search: {} })}>
        <TriggerForm
          trigger={trigger}
          agents={names.agents}
          workflows={workflows.data?.data ?? []}
          onDone={() => void navigate({ search: {} })}
        />
      </Modal>
    </div>
  );
}

function Actions({ trigger, onEdit }: { trigger: Trigger; onEdit: () => void }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [renewed, setRenewed] = useState<{ name: string; value: string } | null>(null);
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["triggers"] });
  const firing = useMutation({
    mutationFn: () => fireTrigger(trigger.id),
    onSuccess: (fired) =>
      fired.outcome === "skipped" || fired.outcome === "failed"
        ? toast.error(fired.reason ?? `It was ${fired.outcome}.`)
        : toast.success("It has fired."),
    onError,
    onSettled,
  });
  const isActive = trigger.status === "active";
  const pausing = useMutation({
    mutationFn: () => (isActive ? pauseTrigger(trigger.id) : resumeTrigger(trigger.id)),
    onSuccess: () =>
      reversible(isActive ? "It is paused." : "It fires again.", () =>
        (isActive ? resumeTrigger(trigger.id) : pauseTrigger(trigger.id)).then(onSettled),
      ),
    onError,
    onSettled,
  });
  const renewing = useMutation({
    mutationFn: () => renewSecret(trigger.id),
    onSuccess: ({ secret, hook_path }) =>
      setRenewed(secret ? { name: "Secret", value: secret } : { name: "Address", value: `${serverUrl()}${hook_path}` }),
    onError,
    onSettled,
  });
  const remove = useRemoval(["triggers"]);
  const onRemove = () => {
    remove(trigger.id, `${trigger.name} is deleted, with its history. The runs that it started stay.`, () =>
      deleteTrigger(trigger.id),
    );
    void navigate({ to: "/automation/triggers" });
  };
  return (
    <>
      <Button look="main" disabled={firing.isPending} onClick={() => firing.mutate()}>
        <Zap aria-hidden /> Fire now
      </Button>
      <Button disabled={pausing.isPending} onClick={() => pausing.mutate()}>
        {isActive ? <Pause aria-hidden /> : <Play aria-hidden />} {isActive ? "Pause" : "Resume"}
      </Button>
      <Button onClick={onEdit}>
        <Pencil aria-hidden /> Change
      </Button>
      {trigger.when.kind === "webhook" && (
        <Confirm
          title="Give it a new secret?"
          text="The old one is refused from now on, so whoever sends requests needs the new one first."
          action="Renew"
          onConfirm={() => renewing.mutate()}
        >
          <Button>
            <KeyRound aria-hidden /> New secret
          </Button>
        </Confirm>
      )}
      <Button onClick={onRemove} look="danger" size="icon" aria-label={`Delete ${trigger.name}`}>
        <Trash2 aria-hidden />
      </Button>
      <Modal title="A new secret" isOpen={renewed !== null} onClose={() => setRenewed(null)}>
        {renewed && <Secret {...renewed} />}
      </Modal>
    </>
  );
}
