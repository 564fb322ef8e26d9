import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Modal } from "@/components/modal";
import { Card } from "@/components/page";
import { Shown } from "@/components/states";
import { Status } from "@/components/status";
import { buttonStyle } from "@/components/ui/button";
import { usersQuery } from "@/features/settings/api";
import { UserForm } from "@/features/settings/user-form";

export const Route = createFileRoute("/settings/people/")({
  component: People,
  validateSearch: ({ make }: Record<string, unknown>): { make?: true } => (make === true ? { make } : {}),
});

function People() {
  const { make } = Route.useSearch();
  const navigate = Route.useNavigate();
  const users = useQuery(usersQuery);
  return (
    <div className="space-y-5">
      <div className="flex justify-end gap-2">
        <CopyCurl path="/v1/users" />
        <Link to="/settings/people" search={{ make: true }} className={buttonStyle({ look: "main" })}>
          <Plus aria-hidden /> Add person
        </Link>
      </div>
      <Shown of={users} what="people">
        {({ data }) => (
          <Card>
            <ul className="divide-y divide-line">
              {data.map((user) => (
                <li key={user.id}>
                  <Link
                    to="/settings/people/$user"
                    params={{ user: user.id }}
                    className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-3 hover:bg-raised"
                  >
                    <span className="min-w-0 flex-1 basis-56">
                      <span className="block truncate font-medium">{user.name || user.email}</span>
                      {user.name && <span className="block truncate text-sm text-soft">{user.email}</span>}
                    </span>
                    <span className="text-sm text-soft">{user.role}</span>
                    <Status
                      value={user.is_active ? "active" : "deactivated"}
                      className={user.is_active ? "text-good" : ""}
                    />
                  </Link>
                </li>
              ))}
            </ul>
          </Card>
        )}
      </Shown>
      <Modal title="Add person" isOpen={make === true} onClose={() => void navigate({ search: {} })}>
        <UserForm
          onDone={(user) => void navigate({ to: "/settings/people/$user", params: { user: user.id }, search: {} })}
        />
      </Modal>
    </div>
  );
}
