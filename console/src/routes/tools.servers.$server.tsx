import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, useNavigate } from "@tanstack/react-router";
import { Power, RefreshCw, Trash2 } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Facts } from "@/components/facts";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { deleteServer, refreshServer, type Server, serverQuery, updateServer } from "@/features/tools/api";
import { stateOf } from "@/features/tools/server-list";
import { ServerSettings } from "@/features/tools/server-settings";
import { ServerTools } from "@/features/tools/server-tools";
import { OAuth } from "@/features/tools/sign-in";
import { counted, moment } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";

export const Route = createFileRoute("/tools/servers/$server")({ component: ServerPage });

function ServerPage() {
  const { server: id } = Route.useParams();
  const server = useQuery(serverQuery(id));
  return (
    <Loaded of={server} what="the connection" title="Connection" back={{ to: "/tools", name: "All tools" }}>
      {(found) => <Found server={found} id={id} />}
    </Loaded>
  );
}

function Found({ server, id }: { server: Server; id: string }) {
  return (
    <Page
      title={
        <span className="flex flex-wrap items-center gap-3">
          {server.title ?? server.name} <Status value={stateOf(server)} />
        </span>
      }
      lead={`Agents name its tools ${server.name}__…, or all of them ${server.name}__*.`}
      actions={<Actions server={server} id={id} />}
    >
      {server.last_error && (
        <p role="alert" className="mb-5 rounded-lg bg-bad-soft px-4 py-3 break-words text-bad">
          {server.last_error}
        </p>
      )}
      <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_minmax(0,26rem)]">
        <Card title={`Tools (${server.tool_count})`}>
          <ServerTools server={server} id={id} />
        </Card>
        <div className="min-w-0 space-y-5">
          {server.auth === "oauth" && (
            <Card title="Sign-in">
              <OAuth server={server} id={id} />
            </Card>
          )}
          <Card title="Connection">
            <ServerSettings key={server.updated_at} server={server} id={id} />
            <div className="border-t border-line p-4">
              <Facts
                of={[
                  ["protocol", server.protocol_version],
                  ["asked last", server.listed_at ? moment(server.listed_at) : "never with success"],
                  ["lists", counted(server.tool_count, "tool")],
                  ["made", server.created_at && moment(server.created_at)],
                ]}
              />
            </div>
          </Card>
        </div>
      </div>
    </Page>
  );
}

function Actions({ server, id }: { server: Server; id: string }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["tools"] });
  const asking = useMutation({
    mutationFn: () => refreshServer(id),
    onSuccess: (asked) =>
      asked.status === "ready"
        ? toast.success(`It answers, and lists ${counted(asked.tool_count, "tool")}.`)
        : toast.error(asked.last_error ?? "It does not answer."),
    onError,
    onSettled,
  });
  const switching = useMutation({
    mutationFn: () => updateServer(id, { is_enabled: !server.is_enabled }),
    onSuccess: () =>
      reversible(server.is_enabled ? "Agents cannot call its tools now." : "Agents may call its tools again.", () =>
        updateServer(id, { is_enabled: server.is_enabled }).then(onSettled),
      ),
    onError,
    onSettled,
  });
  const remove = useRemoval(["tools"]);
  const onRemove = () => {
    remove(id, `${server.name} is forgotten, with its tools, its secrets and its sign-in.`, () => deleteServer(id));
    void navigate({ to: "/tools", search: { show: "connections" } });
  };
  return (
    <>
      <Button disabled={asking.isPending || !server.is_enabled} onClick={() => asking.mutate()}>
        <RefreshCw aria-hidden /> {asking.isPending ? "Asking…" : "Test and refresh"}
      </Button>
      <Button disabled={switching.isPending} onClick={() => switching.mutate()}>
        <Power aria-hidden /> {server.is_enabled ? "Switch off" : "Switch on"}
      </Button>
      <Button onClick={onRemove} look="danger">
        <Trash2 aria-hidden /> Forget
      </Button>
      <CopyCurl path={`/v1/mcp-servers/${id}`} />
    </>
  );
}
