import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Empty, Shown } from "@/components/states";
import { Check } from "@/components/ui/field";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { type Permission, type Server, type ServerTool, serverToolsQuery, updateServer } from "./api";
import { PermissionSelect } from "./permission";

/** What the server listed last: which of it agents may have, and whether they must ask. */
export function ServerTools({ server, id }: { server: Server; id: string }) {
  const tools = useQuery(serverToolsQuery(id, server.listed_at));
  return (
    <Shown of={tools} what="its tools">
      {({ data }) =>
        data.length ? (
          <ul className="divide-y divide-line">
            {data.map((tool) => (
              <Row key={tool.name} server={server} id={id} tool={tool} all={data} />
            ))}
          </ul>
        ) : (
          <div className="p-4">
            <Empty title="It has listed no tools">
              {server.status === "ready" ? "The server offers none." : "They come once it has been reached."}
            </Empty>
          </div>
        )
      }
    </Shown>
  );
}

function Row({ server, id, tool, all }: { server: Server; id: string; tool: ServerTool; all: ServerTool[] }) {
  const queries = useQueryClient();
  const read = () => queries.invalidateQueries({ queryKey: ["tools"] });
  const changing = useMutation({
    mutationFn: (changes: Parameters<typeof updateServer>[1]) => updateServer(id, changes),
    onSuccess: () => {
      const { allowed_tools, permissions } = server;
      reversible(`${tool.own_name} is allowed otherwise now.`, () =>
        updateServer(id, { allowed_tools, permissions }).then(read),
      );
    },
    onError: (error) => toast.error(error.message),
    onSettled: read,
  });
  const allow = (isAllowed: boolean) => {
    const now = all.filter((each) => each.is_allowed).map((each) => each.own_name);
    const next = isAllowed ? [...now, tool.own_name] : now.filter((name) => name !== tool.own_name);
    // All of them means all that it will ever list, so that new ones come by themselves.
    changing.mutate({ allowed_tools: next.length === all.length ? null : next });
  };
  const permit = (permission: Permission | "") => {
    const { [tool.own_name]: _, ...rest } = server.permissions;
    changing.mutate({ permissions: permission ? { ...rest, [tool.own_name]: permission } : rest });
  };
  return (
    <li className="flex flex-wrap items-center gap-2 px-3 py-1.5">
      <div className="min-w-0 flex-1 basis-64">
        <Check
          label={tool.own_name}
          hint={tool.description}
          checked={tool.is_allowed}
          disabled={changing.isPending}
          onChange={(event) => allow(event.target.checked)}
        />
      </div>
      <PermissionSelect
        aria-label={`May agents call ${tool.own_name}?`}
        className="w-56"
        disabled={changing.isPending || !tool.is_allowed}
        value={server.permissions[tool.own_name] ?? ""}
        standard="as set for the server"
        onPermission={permit}
      />
      <Link
        to="/tools/named/$tool"
        params={{ tool: tool.name }}
        aria-label={`Try ${tool.own_name}`}
        className="px-1.5 text-sm text-accent underline underline-offset-2"
      >
        Try
      </Link>
    </li>
  );
}
