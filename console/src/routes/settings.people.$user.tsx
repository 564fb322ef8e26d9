import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { ArrowLeft } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Loaded } from "@/components/loaded";
import { Card } from "@/components/page";
import { Problem } from "@/components/problem";
import { Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Table } from "@/components/table";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Field, Input, Select } from "@/components/ui/field";
import {
  changePassword,
  changeUser,
  deactivateUser,
  endSignIn,
  keysQuery,
  meQuery,
  ROLES,
  type Role,
  signInsQuery,
  type User,
  userQuery,
} from "@/features/settings/api";
import { ROLE_TOLD } from "@/features/settings/user-form";
import { ago, moment } from "@/lib/format";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";

export const Route = createFileRoute("/settings/people/$user")({ component: Person });

function Person() {
  const { user: id } = Route.useParams();
  const user = useQuery(userQuery(id));
  return (
    <Loaded of={user} what="the person" back={{ to: "/settings/people", name: "All people" }}>
      {(found) => <Found key={found.id} user={found} />}
    </Loaded>
  );
}

function Found({ user }: { user: User }) {
  const queries = useQueryClient();
  const me = useQuery(meQuery);
  const isMe = me.data?.user?.id === user.id;
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["users"] });
  const deactivating = useMutation({ mutationFn: () => deactivateUser(user.id), onError, onSettled });
  const letting = useMutation({ mutationFn: () => changeUser(user.id, { is_active: true }), onError, onSettled });
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <Link to="/settings/people" className="flex items-center gap-1.5 text-sm text-accent">
          <ArrowLeft className="size-4" aria-hidden /> All people
        </Link>
        <div className="flex-1" />
        {user.is_active ? (
          <Confirm
            title={`Deactivate ${user.email}?`}
            text="Their sign-ins end and their keys are revoked at once. What they made stays. Letting them in again brings no key back."
            action="Deactivate"
            onConfirm={() => deactivating.mutate()}
          >
            <Button look="danger">Deactivate</Button>
          </Confirm>
        ) : (
          <Button disabled={letting.isPending} onClick={() => letting.mutate()}>
            Let in again
          </Button>
        )}
        <CopyCurl path={`/v1/users/${user.id}`} />
      </div>
      <h2 className="flex flex-wrap items-center gap-3 text-xl font-semibold wrap-anywhere">
        {user.name || user.email} {isMe && <span className="text-base font-normal text-soft">you</span>}
        <Status value={user.is_active ? "active" : "deactivated"} className={user.is_active ? "text-good" : ""} />
      </h2>
      <div className="grid gap-5 lg:grid-cols-2">
        <Profile user={user} />
        <Password user={user} isMe={isMe} />
      </div>
      <SignIns user={user} />
      <KeysOf user={user} />
      <p>
        <Link to="/settings/audit" search={{ actor_id: user.id }} className="text-accent underline underline-offset-2">
          What they did
        </Link>{" "}
        <span className="text-soft">·</span>{" "}
        <Link
          to="/settings/audit"
          search={{ subject: `user:${user.id}` }}
          className="text-accent underline underline-offset-2"
        >
          What was done to them
        </Link>
      </p>
    </div>
  );
}

function Profile({ user }: { user: User }) {
  const queries = useQueryClient();
  const saving = useMutation({
    mutationFn: (form: FormData) =>
      changeUser(user.id, { name: String(form.get("name")).trim(), role: String(form.get("role")) as Role }),
    onMutate: () => ({ name: user.name, role: user.role }),
    onSuccess: (_, __, before) =>
      reversible("It is saved.", async () => {
        await changeUser(user.id, before);
        await queries.invalidateQueries({ queryKey: ["users"] });
      }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["users"] }),
  });
  return (
    <Card title="Name and role">
      <form
        className="space-y-4 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate(new FormData(event.currentTarget));
        }}
      >
        <Field label="Name">
          {(given) => <Input key={user.name} {...given} name="name" maxLength={200} defaultValue={user.name} />}
        </Field>
        <Field label="Role" hint="A lower role revokes those of their keys that may more than it.">
          {(given) => (
            <Select key={user.role} {...given} name="role" defaultValue={user.role}>
              {ROLES.map((role) => (
                <option key={role} value={role}>
                  {role}: {ROLE_TOLD[role]}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Problem of={saving.error} />
        <div className="flex gap-2">
          <Button type="submit" disabled={saving.isPending}>
            Save
          </Button>
          <CopyCurl
            method="PATCH"
            path={`/v1/users/${user.id}`}
            body={(form: FormData) => ({ name: String(form.get("name")).trim(), role: String(form.get("role")) })}
          />
        </div>
      </form>
    </Card>
  );
}

function Password({ user, isMe }: { user: User; isMe: boolean }) {
  const changing = useMutation({
    mutationFn: (form: FormData) =>
      changePassword(user.id, String(form.get("password")), isMe ? String(form.get("current")) : undefined),
    onSuccess: () => toast.success("The password is changed; their sign-ins have ended."),
  });
  return (
    <Card title="Password">
      <form
        className="space-y-4 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          const form = event.currentTarget;
          changing.mutate(new FormData(form), { onSuccess: () => form.reset() });
        }}
      >
        {isMe && (
          <Field label="Present password">
            {(given) => <Input {...given} name="current" type="password" required autoComplete="current-password" />}
          </Field>
        )}
        <Field label="New password" hint={isMe ? "You sign in anew afterwards." : "Ends their sign-ins."}>
          {(given) => (
            <Input {...given} name="password" type="password" required minLength={8} autoComplete="new-password" />
          )}
        </Field>
        <Problem of={changing.error} />
        <Button type="submit" disabled={changing.isPending}>
          Change password
        </Button>
      </form>
    </Card>
  );
}

function SignIns({ user }: { user: User }) {
  const queries = useQueryClient();
  const signIns = useQuery(signInsQuery(user.id));
  const ending = useMutation({
    mutationFn: (signIn: string) => endSignIn(user.id, signIn),
    onSuccess: () => toast.success("That sign-in ends within 15 minutes."),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["users", user.id, "sign-ins"] }),
  });
  return (
    <Card title="Signed in" actions={<CopyCurl path={`/v1/users/${user.id}/sign-ins`} />}>
      <Shown of={signIns} what="sign-ins">
        {({ data }) =>
          data.length ? (
            <Table
              name="Sign-ins"
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                {
                  name: "Began",
                  show: ({ began_at }) => <span className="whitespace-nowrap">{moment(began_at)}</span>,
                },
                { name: "Last used", show: ({ last_used_at }) => ago(last_used_at) },
                { name: "From", isExtra: true, show: ({ address }) => address || "unknown" },
                { name: "Ends by itself", isExtra: true, show: ({ expires_at }) => moment(expires_at) },
                {
                  name: "End it",
                  isNumber: true,
                  show: ({ id, began_at }) => (
                    <Button
                      size="small"
                      look="danger"
                      aria-label={`End the sign-in of ${moment(began_at)}`}
                      onClick={() => ending.mutate(id)}
                    >
                      End
                    </Button>
                  ),
                },
              ]}
            />
          ) : (
            <p className="p-4 text-soft">Nowhere.</p>
          )
        }
      </Shown>
    </Card>
  );
}

function KeysOf({ user }: { user: User }) {
  const keys = useQuery(keysQuery);
  const theirs = keys.data?.data.filter((key) => key.user_id === user.id && !key.revoked_at) ?? [];
  if (!theirs.length) return null;
  return (
    <Card title="Their keys">
      <ul className="divide-y divide-line">
        {theirs.map((key) => (
          <li key={key.id} className="flex flex-wrap justify-between gap-x-3 px-4 py-2.5">
            <Link to="/settings/keys" search={{ key: key.id }} className="text-accent underline underline-offset-2">
              {key.name || key.prefix}
            </Link>
            <span className="text-sm text-soft">
              {key.last_used_at ? `used ${ago(key.last_used_at)}` : "never used"}
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
