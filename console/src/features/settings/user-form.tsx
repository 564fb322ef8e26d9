import { useMutation, useQueryClient } from "@tanstack/react-query";
import { CopyCurl } from "@/components/copy-curl";
import { Problem } from "@/components/problem";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { toast } from "@/lib/toast";
import { createUser, ROLES, type Role, type User } from "./api";

export const ROLE_TOLD: Record<Role, string> = {
  admin: "everything, people and limits included",
  user: "everything but people and limits",
  "read-only": "looks, and changes nothing",
};

export function UserForm({ onDone }: { onDone: (user: User) => void }) {
  const queries = useQueryClient();
  const bodyOf = (form: FormData) => {
    const text = (name: string) => String(form.get(name) ?? "").trim();
    return {
      email: text("email"),
      name: text("name"),
      password: String(form.get("password") ?? ""),
      role: text("role") as Role,
    };
  };
  const making = useMutation({
    mutationFn: (form: FormData) => createUser(bodyOf(form)),
    onSuccess: (user) => {
      toast.success(`${user.email} can sign in.`);
      onDone(user);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["users"] }),
  });
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        making.mutate(new FormData(event.currentTarget));
      }}
    >
      <Field label="Email">
        {(given) => <Input {...given} name="email" type="email" required maxLength={254} autoComplete="off" />}
      </Field>
      <Field label="Name">{(given) => <Input {...given} name="name" maxLength={200} autoComplete="off" />}</Field>
      <Field label="Password" hint="At least 8 characters. They can change it.">
        {(given) => (
          <Input {...given} name="password" type="password" required minLength={8} autoComplete="new-password" />
        )}
      </Field>
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
      <Problem of={making.error} />
      <div className="flex justify-end gap-2">
        <CopyCurl method="POST" path="/v1/users" body={(form: FormData) => ({ ...bodyOf(form), password: "…" })} />
        <Button type="submit" look="main" disabled={making.isPending}>
          Add person
        </Button>
      </div>
    </form>
  );
}
