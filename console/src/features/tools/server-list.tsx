import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { buttonStyle } from "@/components/ui/button";
import { ago, counted } from "@/lib/format";
import { useHidden } from "@/lib/undo";
import { type Server, serversQuery } from "./api";

/** The MCP servers whose tools agents may use: the workspace's, and those of whoever runs this server. */
export function ServerList() {
  const servers = useQuery(serversQuery);
  const hidden = useHidden();
  return (
    <Shown of={servers} what="connections">
      {({ own, operators }) =>
        own.length + operators.length === 0 ? (
          <Empty
            title="No connections yet"
            action={
              <Link to="/tools/new" search={{ kind: "mcp" }} className={buttonStyle({ look: "main" })}>
                <Plus aria-hidden /> Connect an MCP server
              </Link>
            }
          >
            An MCP server brings tools of another system: tickets, calendars, databases.
          </Empty>
        ) : (
          <div className="space-y-5">
            {own.length > 0 && (
              <Card>
                <ul className="divide-y divide-line">
                  {own
                    .filter(({ id }) => !hidden.has(id ?? ""))
                    .map((server) => (
                      <li key={server.name}>
                        <Link
                          to="/tools/servers/$server"
                          params={{ server: server.id ?? "" }}
                          className="block px-4 py-3 hover:bg-raised"
                        >
                          <Line server={server} />
                        </Link>
                      </li>
                    ))}
                </ul>
              </Card>
            )}
            {operators.length > 0 && (
              <Card title="Of this server's operator">
                <ul className="divide-y divide-line">
                  {operators.map((server) => (
                    <li key={server.name}>
                      <Link
                        to="/tools"
                        search={{ find: `${server.name}__` }}
                        className="block px-4 py-3 hover:bg-raised"
                      >
                        <Line server={server} />
                      </Link>
                    </li>
                  ))}
                </ul>
              </Card>
            )}
          </div>
        )
      }
    </Shown>
  );
}

export const stateOf = (server: Server) =>
  server.is_enabled ? server.status.replaceAll("_", " ") : ("switched off" as string);

function Line({ server }: { server: Server }) {
  return (
    <>
      <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="min-w-0 flex-1 truncate font-medium">{server.title ?? server.name}</span>
        <Status value={stateOf(server)} />
      </span>
      <span className="block truncate text-sm text-soft">
        {server.name}__* · {counted(server.tool_count, "tool")}
        {server.url && ` · ${server.url}`}
        {server.listed_at && ` · asked ${ago(server.listed_at)}`}
      </span>
      {server.last_error && <span className="block text-sm break-words text-bad">{server.last_error}</span>}
    </>
  );
}
