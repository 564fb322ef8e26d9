import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Details } from "@/components/details";
import { Modal } from "@/components/modal";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Button, buttonStyle } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Check } from "@/components/ui/field";
import { type Key, keysQuery, revokeKey, usersQuery } from "@/features/settings/api";
import { KeyForm } from "@/features/settings/key-form";
import { ago, count, moment } from "@/lib/format";
import { toast } from "@/lib/toast";

interface Search {
  make?: true;
  key?: string;
  all?: true;
}

export const Route = createFileRoute("/settings/keys")({
  component: Keys,
  validateSearch: ({ make, key, all }: Record<string, unknown>): Search => ({
    make: make === true ? true : undefined,
    key: typeof key === "string" ? key : undefined,
    all: all === true ? true : undefined,
  }),
});

function stateOf(key: Key): string {
  if (key.revoked_at) return "revoked";
  return key.expires_at && Date.parse(key.expires_at) < Date.now() ? "expired" : "active";
}

function Keys() {
  const { make, key: shown, all } = Route.useSearch();
  const navigate = Route.useNavigate();
  const keys = useQuery(keysQuery);
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center justify-end gap-2">
        <Check
          label="Revoked and expired ones too"
          checked={all === true}
          onChange={(event) => void navigate({ search: { all: event.target.checked || undefined }, replace: true })}
        />
        <div className="flex-1" />
        <CopyCurl path="/v1/keys" />
        <Link to="/settings/keys" search={{ all, make: true }} className={buttonStyle({ look: "main" })}>
          <Plus aria-hidden /> New key
        </Link>
      </div>
      <Shown of={keys} what="keys">
        {({ data }) => {
          const listed = data.filter((key) => all || key.id === shown || stateOf(key) === "active");
          return listed.length ? (
            <Card>
              <ul className="divide-y divide-line">
                {listed.map((key) => (
                  <Row key={key.id} of={key} isShown={key.id === shown} all={all} />
                ))}
              </ul>
            </Card>
          ) : (
            <Empty title="No key opens anything">Programs ask with a key; you are signed in with your password.</Empty>
          );
        }}
      </Shown>
      <Modal title="New key" isOpen={make === true} onClose={() => void navigate({ search: { all } })}>
        <KeyForm onDone={() => void navigate({ search: { all } })} />
      </Modal>
    </div>
  );
}

function Row({ of: key, isShown, all }: { of: Key; isShown: boolean; all: true | undefined }) {
  const queries = useQueryClient();
  const users = useQuery(usersQuery);
  const owner = users.data?.data.find(({ id }) => id === key.user_id);
  const revoking = useMutation({
    mutationFn: () => revokeKey(key.id),
    onSuccess: () => toast.success(`${key.name || key.prefix} opens nothing any more.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
  const state = stateOf(key);
  return (
    <li>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
        <Link
          to="/settings/keys"
          search={{ all, key: isShown ? undefined : key.id }}
          aria-expanded={isShown}
          className="min-w-0 flex-1 basis-56 rounded"
        >
          <span className="block truncate font-medium">{key.name || "without a name"}</span>
          <span className="block truncate text-sm text-soft">
            <code className="font-mono">{key.prefix}…</code> · {key.role} ·{" "}
            {key.last_used_at ? `used ${ago(key.last_used_at)}` : "never used"}
          </span>
        </Link>
        <Status value={state} className={state === "active" ? "text-good" : ""} />
        {state === "active" && (
          <Confirm
            title={`Revoke ${key.name || key.prefix}?`}
            text="Whatever uses it is refused from now on. It stays in the list, so that what it did can be told."
            action="Revoke"
            onConfirm={() => revoking.mutate()}
          >
            <Button look="danger" size="small" disabled={revoking.isPending}>
              Revoke
              <span className="sr-only"> {key.name || key.prefix}</span>
            </Button>
          </Confirm>
        )}
      </div>
      {isShown && (
        <div className="border-t border-line">
          <Details
            of={[
              [
                "Scopes",
                <code key="scopes" className="font-mono break-words">
                  {key.scopes.join(" ")}
                </code>,
              ],
              ["Belongs to", owner?.email ?? (key.user_id ? "a person" : "the workspace")],
              ["Talks only to", key.agent_id ? `the agent …${key.agent_id.slice(-8)}` : "whatever its scopes allow"],
              ["Requests a minute", key.rate_per_minute === null ? "the server's default" : count(key.rate_per_minute)],
              ["Ends", key.expires_at ? moment(key.expires_at) : "never"],
              ...(key.revoked_at ? [["Revoked", moment(key.revoked_at)] as const] : []),
              ["Looks like a key of", key.surface],
              ["Made", `${moment(key.created_at)} by ${key.created_by}`],
            ]}
          />
          <p className="flex flex-wrap gap-x-4 gap-y-1 px-4 pb-4 text-sm">
            <Link to="/usage/calls" search={{ key_id: key.id }} className="text-accent underline underline-offset-2">
              Its model calls
            </Link>
            <Link
              to="/settings/audit"
              search={{ actor_id: key.id }}
              className="text-accent underline underline-offset-2"
            >
              What it changed
            </Link>
          </p>
        </div>
      )}
    </li>
  );
}
