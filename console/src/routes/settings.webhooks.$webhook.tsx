import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { ArrowLeft, KeyRound, Pause, Pencil, Play, RotateCcw, Send, Trash2 } from "lucide-react";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Details } from "@/components/details";
import { Loaded } from "@/components/loaded";
import { Modal } from "@/components/modal";
import { Card } from "@/components/page";
import { Secret } from "@/components/secret";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Button, buttonStyle } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import {
  changeWebhook,
  type DeliveryStatus,
  deleteWebhook,
  deliveriesQuery,
  ping,
  redeliverFailed,
  rotateSecret,
  type Webhook,
  webhookQuery,
} from "@/features/settings/api";
import { DeliveryView } from "@/features/settings/delivery-view";
import { WebhookForm } from "@/features/settings/webhook-form";
import { cn } from "@/lib/cn";
import { ago, counted, moment } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { runLink } from "./-run-link";
import { webhookState } from "./-webhook-state";

interface Search {
  delivery?: string;
  status?: DeliveryStatus;
  edit?: true;
}

const STATES = ["pending", "delivered", "failed"] as const;

export const Route = createFileRoute("/settings/webhooks/$webhook")({
  component: WebhookPage,
  validateSearch: ({ delivery, status, edit }: Record<string, unknown>): Search => ({
    delivery: typeof delivery === "string" ? delivery : undefined,
    status: STATES.find((each) => each === status),
    edit: edit === true ? true : undefined,
  }),
});

function WebhookPage() {
  const { webhook: id } = Route.useParams();
  const webhook = useQuery(webhookQuery(id));
  return (
    <Loaded of={webhook} what="the webhook" back={{ to: "/settings/webhooks", name: "All webhooks" }}>
      {(found) => <Found key={found.id} webhook={found} />}
    </Loaded>
  );
}

function Found({ webhook }: { webhook: Webhook }) {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <Link to="/settings/webhooks" className="flex items-center gap-1.5 text-sm text-accent">
          <ArrowLeft className="size-4" aria-hidden /> All webhooks
        </Link>
        <div className="flex-1" />
        <Actions webhook={webhook} onEdit={() => void navigate({ search: { ...search, edit: true } })} />
        <CopyCurl path={`/v1/webhooks/${webhook.id}`} />
      </div>
      <h2 className="flex flex-wrap items-center gap-3 text-xl font-semibold break-all">
        {webhook.description || webhook.url} <Status {...webhookState(webhook)} />
      </h2>
      {webhook.disabled_reason && (
        <p className="rounded-lg bg-warn-soft px-4 py-3 text-warn">{webhook.disabled_reason}</p>
      )}
      <Card title="What it is">
        <Details
          of={[
            [
              "Address",
              <code key="url" className="font-mono break-all">
                {webhook.url}
              </code>,
            ],
            [
              "Told of",
              webhook.event_types.includes("*") ? "everything that happens in runs" : webhook.event_types.join(", "),
            ],
            ["Style", webhook.style],
            [
              "Headers",
              webhook.header_names.length ? `${webhook.header_names.join(", ")} (never shown)` : "none of its own",
            ],
            [
              "Signed",
              webhook.has_secret
                ? webhook.old_secret_until
                  ? `with both secrets until ${moment(webhook.old_secret_until)}`
                  : "yes"
                : "no",
            ],
            ["Failing since", webhook.failing_since ? moment(webhook.failing_since) : "its last delivery arrived"],
            ["Made", moment(webhook.created_at)],
          ]}
        />
      </Card>
      <div className="grid gap-5 lg:grid-cols-2">
        <Deliveries webhook={webhook} />
        <Card title="Delivery">
          {search.delivery ? (
            <DeliveryView key={search.delivery} webhook={webhook.id} delivery={search.delivery} link={runLink} />
          ) : (
            <p className="p-4 text-soft">Choose a delivery to see what was sent and answered.</p>
          )}
        </Card>
      </div>
      <Modal
        title="Change the webhook"
        isOpen={search.edit === true}
        onClose={() => void navigate({ search: { ...search, edit: undefined } })}
      >
        <WebhookForm webhook={webhook} onDone={() => void navigate({ search: { ...search, edit: undefined } })} />
      </Modal>
    </div>
  );
}

function Deliveries({ webhook }: { webhook: Webhook }) {
  const { status, delivery: shown } = Route.useSearch();
  const queries = useQueryClient();
  const deliveries = useInfiniteQuery(deliveriesQuery(webhook.id, status));
  const again = useMutation({
    mutationFn: () => redeliverFailed(webhook.id, new Date(Date.now() - 30 * 86_400_000).toISOString()),
    onSuccess: ({ count }) =>
      toast.success(`${counted(count, "delivery").replace("deliverys", "deliveries")} sent again.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["webhooks", webhook.id] }),
  });
  return (
    <Card
      title="Deliveries"
      actions={
        <Button size="small" disabled={again.isPending} onClick={() => again.mutate()}>
          <RotateCcw aria-hidden /> Failed ones again
        </Button>
      }
    >
      <nav aria-label="States of deliveries" className="flex gap-1 overflow-x-auto border-b border-line px-3 py-2">
        {[undefined, ...STATES].map((each) => (
          <Link
            key={each ?? "all"}
            to="/settings/webhooks/$webhook"
            params={{ webhook: webhook.id }}
            search={{ status: each }}
            aria-current={each === status ? "page" : undefined}
            className={cn(
              buttonStyle({ size: "small", look: "quiet" }),
              "aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent",
            )}
          >
            {each ?? "all"}
          </Link>
        ))}
      </nav>
      <Shown
        of={{
          data: deliveries.data?.pages.flatMap((page) => page.data),
          error: deliveries.error,
          refetch: deliveries.refetch,
        }}
        what="deliveries"
      >
        {(found) =>
          found.length ? (
            <ul className="divide-y divide-line">
              {found.map((delivery) => (
                <li
                  key={delivery.id}
                  aria-current={delivery.id === shown || undefined}
                  className="aria-current:bg-raised"
                >
                  <Link
                    to="/settings/webhooks/$webhook"
                    params={{ webhook: webhook.id }}
                    search={{ status, delivery: delivery.id }}
                    className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5 hover:bg-raised"
                  >
                    <span className="min-w-0 flex-1 basis-40 truncate font-medium">{delivery.type}</span>
                    <span className="text-sm text-soft">
                      {ago(delivery.created_at)}
                      {delivery.last_status !== null && ` · ${delivery.last_status}`}
                    </span>
                    <Status value={delivery.status} className={delivery.status === "delivered" ? "text-good" : ""} />
                  </Link>
                </li>
              ))}
            </ul>
          ) : (
            <div className="p-4">
              <Empty title={status ? `No delivery is ${status}` : "Nothing was sent yet"}>
                “Test” sends a ping at once.
              </Empty>
            </div>
          )
        }
      </Shown>
      {deliveries.hasNextPage && (
        <div className="border-t border-line p-3 text-center">
          <Button disabled={deliveries.isFetchingNextPage} onClick={() => void deliveries.fetchNextPage()}>
            Older deliveries
          </Button>
        </div>
      )}
    </Card>
  );
}

function Actions({ webhook, onEdit }: { webhook: Webhook; onEdit: () => void }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [secret, setSecret] = useState("");
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["webhooks"] });
  const testing = useMutation({
    mutationFn: () => ping(webhook.id),
    onSuccess: async (delivery) => {
      if (delivery.status === "delivered") toast.success("The ping arrived.");
      else toast.error(delivery.last_error ?? "The ping did not arrive.");
      await navigate({
        to: "/settings/webhooks/$webhook",
        params: { webhook: webhook.id },
        search: { delivery: delivery.id },
      });
    },
    onError,
    onSettled,
  });
  const switching = useMutation({
    mutationFn: () => changeWebhook(webhook.id, { is_active: !webhook.is_active }),
    onSuccess: () =>
      reversible(webhook.is_active ? "Nothing is sent while it is paused." : "It is told again.", () =>
        changeWebhook(webhook.id, { is_active: webhook.is_active }).then(onSettled),
      ),
    onError,
    onSettled,
  });
  const rotating = useMutation({
    mutationFn: () => rotateSecret(webhook.id, 86_400),
    onSuccess: (found) => setSecret(found.secret),
    onError,
    onSettled,
  });
  const remove = useRemoval(["webhooks"]);
  const onRemove = () => {
    remove(webhook.id, `${webhook.description || webhook.url} is deleted, with its deliveries.`, () =>
      deleteWebhook(webhook.id),
    );
    void navigate({ to: "/settings/webhooks" });
  };
  return (
    <>
      <Button look="main" disabled={testing.isPending} onClick={() => testing.mutate()}>
        <Send aria-hidden /> Test
      </Button>
      <Button disabled={switching.isPending} onClick={() => switching.mutate()}>
        {webhook.is_active ? <Pause aria-hidden /> : <Play aria-hidden />} {webhook.is_active ? "Pause" : "Switch on"}
      </Button>
      <Button onClick={onEdit}>
        <Pencil aria-hidden /> Change
      </Button>
      {webhook.style === "standard" && (
        <Confirm
          title="Give it a new secret?"
          text="For a day deliveries are signed with both, so that the receiver can change over."
          action="Rotate"
          onConfirm={() => rotating.mutate()}
        >
          <Button>
            <KeyRound aria-hidden /> Rotate secret
          </Button>
        </Confirm>
      )}
      <Button onClick={onRemove} look="danger" size="icon" aria-label="Delete the webhook">
        <Trash2 aria-hidden />
      </Button>
      <Modal title="The new secret" isOpen={secret !== ""} onClose={() => setSecret("")}>
        <Secret name="Signing secret" value={secret} />
      </Modal>
    </>
  );
}
