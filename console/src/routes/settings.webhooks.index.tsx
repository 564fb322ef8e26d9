import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Modal } from "@/components/modal";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { buttonStyle } from "@/components/ui/button";
import { webhooksQuery } from "@/features/settings/api";
import { WebhookForm } from "@/features/settings/webhook-form";
import { useHidden } from "@/lib/undo";
import { webhookState } from "./-webhook-state";

export const Route = createFileRoute("/settings/webhooks/")({
  component: Webhooks,
  validateSearch: ({ make }: Record<string, unknown>): { make?: true } => (make === true ? { make } : {}),
});

function Webhooks() {
  const { make } = Route.useSearch();
  const navigate = Route.useNavigate();
  const webhooks = useQuery(webhooksQuery);
  const hidden = useHidden();
  const making = (
    <Link to="/settings/webhooks" search={{ make: true }} className={buttonStyle({ look: "main" })}>
      <Plus aria-hidden /> New webhook
    </Link>
  );
  return (
    <div className="space-y-5">
      <div className="flex justify-end gap-2">
        <CopyCurl path="/v1/webhooks" />
        {making}
      </div>
      <Shown of={webhooks} what="webhooks">
        {({ data: all }) => {
          const data = all.filter(({ id }) => !hidden.has(id));
          return data.length ? (
            <Card>
              <ul className="divide-y divide-line">
                {data.map((webhook) => (
                  <li key={webhook.id}>
                    <Link
                      to="/settings/webhooks/$webhook"
                      params={{ webhook: webhook.id }}
                      className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-3 hover:bg-raised"
                    >
                      <span className="min-w-0 flex-1 basis-56">
                        <span className="block truncate font-medium">{webhook.description || webhook.url}</span>
                        <span className="block truncate text-sm text-soft">
                          {webhook.description && `${webhook.url} · `}
                          {webhook.event_types.includes("*") ? "everything" : webhook.event_types.join(", ")}
                        </span>
                      </span>
                      <Status {...webhookState(webhook)} />
                    </Link>
                  </li>
                ))}
              </ul>
            </Card>
          ) : (
            <Empty title="Nobody is told yet" action={making}>
              A webhook tells another program what happens here: runs that end, approvals that wait, budgets that are
              spent.
            </Empty>
          );
        }}
      </Shown>
      <Modal title="New webhook" isOpen={make === true} onClose={() => void navigate({ search: {} })}>
        <WebhookForm
          onDone={(webhook) =>
            void navigate({ to: "/settings/webhooks/$webhook", params: { webhook: webhook.id }, search: {} })
          }
        />
      </Modal>
    </div>
  );
}
