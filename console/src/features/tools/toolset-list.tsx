import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { ago, counted } from "@/lib/format";
import { useHidden } from "@/lib/undo";
import { toolsetsQuery } from "./api";

/** Tools that came together: from OpenAPI documents, or as bundles of others. */
export function ToolsetList() {
  const toolsets = useQuery(toolsetsQuery);
  const hidden = useHidden();
  return (
    <Shown of={toolsets} what="toolsets">
      {({ data }) =>
        data.length ? (
          <Card>
            <ul className="divide-y divide-line">
              {data
                .filter(({ id }) => !hidden.has(id))
                .map((toolset) => (
                  <li key={toolset.id}>
                    <Link
                      to="/tools/toolsets/$toolset"
                      params={{ toolset: toolset.id }}
                      className="block px-4 py-3 hover:bg-raised"
                    >
                      <span className="block truncate font-medium">{toolset.title || toolset.name}</span>
                      <span className="block truncate text-sm text-soft">
                        {toolset.name}__* · {counted(toolset.tool_count, "tool")} ·{" "}
                        {toolset.members ? "a bundle" : toolset.base_url}
                        {!toolset.is_enabled && " · switched off"} · {ago(toolset.updated_at)}
                      </span>
                    </Link>
                  </li>
                ))}
            </ul>
          </Card>
        ) : (
          <Empty
            title="No toolsets yet"
            action={
              <Link to="/tools/new" search={{ kind: "openapi" }} className={buttonStyle({ look: "main" })}>
                <Plus aria-hidden /> Import an OpenAPI document
              </Link>
            }
          >
            Each operation of an OpenAPI document becomes a tool.
          </Empty>
        )
      }
    </Shown>
  );
}
