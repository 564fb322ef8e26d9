import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { Power, Trash2 } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import {
  deleteToolset,
  type Permission,
  type Toolset,
  toolsetQuery,
  toolsetToolsQuery,
  updateTool,
  updateToolset,
} from "@/features/tools/api";
import { OpenApiForm } from "@/features/tools/openapi-form";
import { PermissionSelect } from "@/features/tools/permission";
import { counted } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";

export const Route = createFileRoute("/tools/toolsets/$toolset")({ component: ToolsetPage });

function ToolsetPage() {
  const { toolset: id } = Route.useParams();
  const toolset = useQuery(toolsetQuery(id));
  return (
    <Loaded of={toolset} what="the toolset" title="Toolset" back={{ to: "/tools", name: "All tools" }}>
      {(found) => <Found toolset={found} />}
    </Loaded>
  );
}

function Found({ toolset }: { toolset: Toolset }) {
  const tools = useQuery(toolsetToolsQuery(toolset.id));
  return (
    <Page
      title={toolset.title || toolset.name}
      lead={
        toolset.description ||
        `${toolset.name}__* · ${counted(toolset.tool_count, "tool")} ${toolset.members ? "bundled" : `of ${toolset.base_url}`}`
      }
      actions={<Actions toolset={toolset} />}
    >
      <div className="grid items-start gap-5 lg:grid-cols-2">
        <Card title="Tools">
          {toolset.members ? (
            <ul className="divide-y divide-line">
              {toolset.members.map((name) => (
                <li key={name}>
                  <ToolLink name={name} />
                </li>
              ))}
            </ul>
          ) : (
            <Shown of={tools} what="its tools">
              {({ data }) => (
                <ul className="divide-y divide-line">
                  {data.map((tool) => (
                    <li key={tool.id} className="flex flex-wrap items-center gap-2 pr-3">
                      <ToolLink name={tool.name} about={`${tool.http.method} ${tool.http.url}`} />
                      <Policy id={tool.id} name={tool.name} permission={tool.permission} />
                    </li>
                  ))}
                </ul>
              )}
            </Shown>
          )}
        </Card>
        {!toolset.members && (
          <OpenApiForm
            key={toolset.updated_at}
            toolset={toolset}
            onMade={(made) => toast.success(`It has ${counted(made.tool_count, "tool")} now.`)}
          />
        )}
      </div>
    </Page>
  );
}

const ToolLink = ({ name, about }: { name: string; about?: string }) => (
  <Link
    to="/tools/named/$tool"
    params={{ tool: name }}
    className="block min-w-0 flex-1 basis-56 px-4 py-2.5 hover:bg-raised"
  >
    <span className="block font-mono text-sm font-medium break-all">{name}</span>
    {about && <span className="block truncate text-sm text-soft">{about}</span>}
  </Link>
);

function Policy({ id, name, permission }: { id: string; name: string; permission: Permission }) {
  const queries = useQueryClient();
  const read = () => queries.invalidateQueries({ queryKey: ["tools"] });
  const changing = useMutation({
    mutationFn: (next: Permission) => updateTool(id, { permission: next }),
    onSuccess: () => reversible(`${name} is allowed otherwise now.`, () => updateTool(id, { permission }).then(read)),
    onError: (error) => toast.error(error.message),
    onSettled: read,
  });
  return (
    <PermissionSelect
      aria-label={`May agents call ${name}?`}
      className="mb-2 ml-3 w-56 sm:mb-0"
      value={permission}
      disabled={changing.isPending}
      onPermission={(next) => next && changing.mutate(next)}
    />
  );
}

function Actions({ toolset }: { toolset: Toolset }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["tools"] });
  const switching = useMutation({
    mutationFn: () => updateToolset(toolset.id, { is_enabled: !toolset.is_enabled }),
    onSuccess: () =>
      reversible(toolset.is_enabled ? "Agents cannot call its tools now." : "Agents may call its tools again.", () =>
        updateToolset(toolset.id, { is_enabled: toolset.is_enabled }).then(onSettled),
      ),
    onError,
    onSettled,
  });
  const remove = useRemoval(["tools"]);
  const onRemove = () => {
    remove(toolset.id, `${toolset.name} is deleted, with its tools and its secret headers.`, () =>
      deleteToolset(toolset.id),
    );
    void navigate({ to: "/tools", search: { show: "toolsets" } });
  };
  return (
    <>
      <Button disabled={switching.isPending} onClick={() => switching.mutate()}>
        <Power aria-hidden /> {toolset.is_enabled ? "Switch off" : "Switch on"}
      </Button>
      <Button onClick={onRemove} look="danger">
        <Trash2 aria-hidden /> Delete
      </Button>
      <CopyCurl path={`/v1/toolsets/${toolset.id}`} />
    </>
  );
}
