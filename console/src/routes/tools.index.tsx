import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Page } from "@/components/page";
import { Pills, pillOptions, pillStyle } from "@/components/pills";
import { Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { catalogueQuery } from "@/features/tools/catalogue";
import { ServerList } from "@/features/tools/server-list";
import { ToolList } from "@/features/tools/tool-list";
import { ToolsetList } from "@/features/tools/toolset-list";

const SHOWN = ["connections", "toolsets"] as const;

interface Search {
  show?: (typeof SHOWN)[number];
  find?: string;
}

export const Route = createFileRoute("/tools/")({
  component: Tools,
  validateSearch: ({ show, find }: Record<string, unknown>): Search => ({
    show: SHOWN.find((each) => each === show),
    find: typeof find === "string" || typeof find === "number" ? String(find) : undefined,
  }),
});

const PATHS = { connections: "/v1/mcp-servers", toolsets: "/v1/toolsets", tools: "/v1/tools" };

function Tools() {
  const { show } = Route.useSearch();
  return (
    <Page
      title="Tools and connections"
      lead="What agents can do beside answering, and with whose consent."
      actions={
        <>
          <CopyCurl path={PATHS[show ?? "tools"]} />
          <Link
            to="/tools/new"
            search={show === "toolsets" ? { kind: "openapi" } : {}}
            className={buttonStyle({ look: "main" })}
          >
            <Plus aria-hidden /> Add
          </Link>
        </>
      }
    >
      <Pills name="Views">
        {([undefined, ...SHOWN] as const).map((each) => (
          <Link
            key={each ?? "tools"}
            to="/tools"
            search={{ show: each }}
            className={pillStyle}
            activeOptions={pillOptions}
          >
            {each ?? "tools"}
          </Link>
        ))}
      </Pills>
      {show === "connections" && <ServerList />}
      {show === "toolsets" && <ToolsetList />}
      {!show && <All />}
    </Page>
  );
}

function All() {
  const { find } = Route.useSearch();
  const navigate = useNavigate({ from: "/tools/" });
  const catalogue = useQuery(catalogueQuery(useQueryClient()));
  return (
    <div className="space-y-4">
      <Input
        type="search"
        aria-label="Find a tool"
        placeholder="Find a tool by its name or what it does"
        value={find ?? ""}
        onChange={(event) => void navigate({ search: { find: event.target.value || undefined }, replace: true })}
      />
      <Shown of={catalogue} what="tools">
        {(entries) => <ToolList entries={entries} words={find ?? ""} />}
      </Shown>
    </div>
  );
}
