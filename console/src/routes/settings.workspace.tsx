import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { Details } from "@/components/details";
import { Card } from "@/components/page";
import { Problem } from "@/components/problem";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { createProject, meQuery, projectsQuery, renameWorkspace, workspaceQuery } from "@/features/settings/api";
import { ExportForm } from "@/features/settings/export-form";
import { moment } from "@/lib/format";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";

export const Route = createFileRoute("/settings/workspace")({ component: WorkspaceSettings });

function WorkspaceSettings() {
  return (
    <div className="grid gap-5 lg:grid-cols-2">
      <Workspace />
      <Projects />
      <Me />
      <Card title="Take it along">
        <ExportForm />
      </Card>
    </div>
  );
}

function Workspace() {
  const queries = useQueryClient();
  const workspace = useQuery(workspaceQuery);
  const renaming = useMutation({
    mutationFn: ({ id, name }: { id: string; name: string }) => renameWorkspace(id, name),
    onMutate: () => workspace.data?.name,
    onSuccess: (_, { id }, before) =>
      reversible("The workspace is renamed.", async () => {
        if (before) await renameWorkspace(id, before);
        await queries.invalidateQueries({ queryKey: ["workspace"] });
      }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["workspace"] }),
  });
  return (
    <Card title="Workspace" actions={<CopyCurl path="/v1/workspaces" />}>
      <Shown of={workspace} what="the workspace">
        {(found) =>
          found && (
            <>
              <form
                className="space-y-3 p-4"
                onSubmit={(event) => {
                  event.preventDefault();
                  renaming.mutate({ id: found.id, name: String(new FormData(event.currentTarget).get("name")).trim() });
                }}
              >
                <Field label="Name">
                  {(given) => (
                    <Input key={found.name} {...given} name="name" required maxLength={200} defaultValue={found.name} />
                  )}
                </Field>
                <Problem of={renaming.error} />
                <div className="flex gap-2">
                  <Button type="submit" disabled={renaming.isPending}>
                    Rename
                  </Button>
                  <CopyCurl
                    method="PATCH"
                    path={`/v1/workspaces/${found.id}`}
                    body={(form: FormData) => ({ name: String(form.get("name")).trim() })}
                  />
                </div>
              </form>
              <Details
                of={[
                  [
                    "Slug",
                    <code key="slug" className="font-mono">
                      {found.slug}
                    </code>,
                  ],
                  [
                    "Id",
                    <code key="id" className="font-mono break-all">
                      {found.id}
                    </code>,
                  ],
                  ["Made", moment(found.created_at)],
                ]}
              />
            </>
          )
        }
      </Shown>
    </Card>
  );
}

function Projects() {
  const queries = useQueryClient();
  const projects = useQuery(projectsQuery);
  const making = useMutation({
    mutationFn: createProject,
    onSuccess: () => toast.success("The project is made."),
    onSettled: () => queries.invalidateQueries({ queryKey: ["projects"] }),
  });
  return (
    <Card title="Projects" actions={<CopyCurl path="/v1/projects" />}>
      <Shown of={projects} what="projects">
        {({ data }) => (
          <ul className="divide-y divide-line">
            {data.map((project) => (
              <li key={project.id} className="flex flex-wrap justify-between gap-x-3 px-4 py-2.5">
                <span className="font-medium">{project.name}</span>
                <span className="text-sm text-soft">
                  {project.slug} · {moment(project.created_at)}
                </span>
              </li>
            ))}
          </ul>
        )}
      </Shown>
      <form
        className="space-y-2 border-t border-line p-4"
        onSubmit={(event) => {
          event.preventDefault();
          const form = event.currentTarget;
          making.mutate(String(new FormData(form).get("name")).trim(), { onSuccess: () => form.reset() });
        }}
      >
        <div className="flex gap-2">
          <Input
            name="name"
            required
            maxLength={200}
            aria-label="Name of a new project"
            placeholder="Name of a new project"
          />
          <Button type="submit" disabled={making.isPending}>
            Make
          </Button>
          <CopyCurl
            method="POST"
            path="/v1/projects"
            body={(form: FormData) => ({ name: String(form.get("name")).trim() })}
          />
        </div>
        <Problem of={making.error} />
      </form>
    </Card>
  );
}

function Me() {
  const me = useQuery(meQuery);
  return (
    <Card title="Who you are" actions={<CopyCurl path="/v1/me" />}>
      <Shown of={me} what="who you are">
        {(found) => (
          <Details
            of={[
              ["Signed in", found.user ? `as ${found.user.email}` : "with a key that belongs to nobody"],
              ["With", found.key_id ? `the key …${found.key_id.slice(-8)}` : "email and password"],
              ...(found.user ? [["Role", found.user.role] as const] : []),
              [
                "Rights",
                <code key="scopes" className="font-mono break-words">
                  {found.scopes.join(" ")}
                </code>,
              ],
            ]}
          />
        )}
      </Shown>
    </Card>
  );
}
