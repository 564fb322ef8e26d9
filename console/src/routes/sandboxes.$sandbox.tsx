import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { X } from "lucide-react";
import { Facts } from "@/components/facts";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { Pills, pillOptions, pillStyle } from "@/components/pills";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { type Sandbox, sandboxQuery } from "@/features/sandboxes/api";
import { Egress } from "@/features/sandboxes/egress";
import { FilePanel } from "@/features/sandboxes/file-panel";
import { Files } from "@/features/sandboxes/files";
import { LifeActions } from "@/features/sandboxes/life";
import { Owner } from "@/features/sandboxes/owner";
import { nameOf } from "@/features/sandboxes/paths";
import { Ports } from "@/features/sandboxes/ports";
import { Snapshots } from "@/features/sandboxes/snapshots";
import { Terminal } from "@/features/sandboxes/terminal";
import { Usage } from "@/features/sandboxes/usage";
import { counted, duration, moment } from "@/lib/format";
import { who } from "@/lib/who";

const SHOWN = ["terminal", "files", "snapshots", "ports", "egress"] as const;
type View = (typeof SHOWN)[number];

interface Search {
  show?: View;
  path?: string;
  file?: string;
}

const text = (value: unknown) => (typeof value === "string" && value ? value : undefined);

export const Route = createFileRoute("/sandboxes/$sandbox")({
  component: SandboxPage,
  validateSearch: (search: Record<string, unknown>): Search => ({
    show: SHOWN.find((each) => each === search.show),
    path: text(search.path),
    file: text(search.file),
  }),
});

function SandboxPage() {
  const { sandbox: id } = Route.useParams();
  const sandbox = useQuery(sandboxQuery(id));
  return (
    <Loaded of={sandbox} what="the sandbox" title="Sandbox" back={{ to: "/sandboxes", name: "All sandboxes" }}>
      {(found) => <Found key={id} sandbox={found} />}
    </Loaded>
  );
}

function Found({ sandbox }: { sandbox: Sandbox }) {
  const { show = "terminal" } = Route.useSearch();
  return (
    <Page
      title={
        <span className="flex flex-wrap items-center gap-3">
          {sandbox.name || "Sandbox"} <Status value={sandbox.status} />
        </span>
      }
      lead={`${sandbox.template} · by ${sandbox.backend}${sandbox.reason ? ` · ${sandbox.reason}` : ""}`}
      actions={<LifeActions sandbox={sandbox} />}
    >
      <Pills name="Views">
        {SHOWN.map((each) => (
          <Link
            key={each}
            to="/sandboxes/$sandbox"
            params={{ sandbox: sandbox.id }}
            search={{ show: each === "terminal" ? undefined : each }}
            className={pillStyle}
            activeOptions={pillOptions}
          >
            {each === "egress" ? "egress log" : each}
          </Link>
        ))}
      </Pills>
      <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_minmax(0,20rem)]">
        <div className="min-w-0 space-y-5">
          {/* The terminal stays while one looks elsewhere: what runs in it goes on. */}
          <div className={show === "terminal" ? undefined : "hidden"}>
            <Card className="overflow-hidden">
              {sandbox.status === "stopped" ? (
                <Stopped />
              ) : (
                <>
                  {sandbox.status === "paused" && <Paused />}
                  <Terminal sandbox={sandbox.id} isPaused={sandbox.status === "paused"} />
                </>
              )}
            </Card>
          </div>
          {show !== "terminal" && <Other sandbox={sandbox} show={show} />}
        </div>
        <div className="min-w-0 space-y-5">
          {sandbox.status !== "stopped" && (
            <Card title="Use">
              <Usage sandbox={sandbox} />
            </Card>
          )}
          {sandbox.session_id && (
            <Card title="Whose it is">
              <Owner session={sandbox.session_id} />
            </Card>
          )}
          <Card title="About it">
            <div className="p-4">
              <About sandbox={sandbox} />
            </div>
          </Card>
        </div>
      </div>
    </Page>
  );
}

const Stopped = () => <p className="p-6 text-center text-soft">It has stopped for good. Its log and snapshots stay.</p>;

const Paused = () => (
  <p className="bg-warn-soft px-4 py-2.5 text-warn">
    It is paused: nothing in it runs or can be read until it goes on.
  </p>
);

function Other({ sandbox, show }: { sandbox: Sandbox; show: Exclude<View, "terminal"> }) {
  switch (show) {
    case "files":
      if (sandbox.status !== "stopped" && sandbox.status !== "paused") return <FileView sandbox={sandbox.id} />;
      return <Card>{sandbox.status === "paused" ? <Paused /> : <Stopped />}</Card>;
    case "egress":
      return (
        <Card title="Egress log">
          <Egress sandbox={sandbox.id} allowed={sandbox.allow_hosts} />
        </Card>
      );
    case "snapshots":
      return (
        <Card title="Snapshots">
          <Snapshots sandbox={sandbox.id} canMake={sandbox.status !== "stopped"} />
        </Card>
      );
    case "ports":
      return <Card title="Ports">{sandbox.status === "stopped" ? <Stopped /> : <Ports sandbox={sandbox.id} />}</Card>;
  }
}

function FileView({ sandbox }: { sandbox: string }) {
  const { path = "/workspace", file } = Route.useSearch();
  const navigate = useNavigate({ from: "/sandboxes/$sandbox" });
  return (
    <>
      <Card>
        <Files
          sandbox={sandbox}
          path={path}
          shown={file}
          onGo={(next) => void navigate({ search: { show: "files", path: next } })}
          onShow={(next) => void navigate({ search: { show: "files", path, file: next } })}
        />
      </Card>
      {file && (
        <Card
          title={nameOf(file)}
          actions={
            <Button
              look="quiet"
              size="icon"
              aria-label="Close the file"
              onClick={() => void navigate({ search: { show: "files", path } })}
            >
              <X aria-hidden />
            </Button>
          }
        >
          <FilePanel key={file} sandbox={sandbox} path={file} />
        </Card>
      )}
    </>
  );
}

function About({ sandbox }: { sandbox: Sandbox }) {
  const { limits } = sandbox;
  const secrets = sandbox.secrets.map(({ name, hosts }) => `${name} for ${hosts.join(", ")}`).join("; ");
  return (
    <Facts
      of={[
        ["may reach", sandbox.allow_hosts.join(", ") || "nothing outside"],
        ["secrets", secrets && `${secrets}; their values are not shown`],
        ["variables", Object.keys(sandbox.env).join(", ")],
        ["processor", counted(limits.cpus, "core")],
        ["open files", counted(limits.open_files, "file")],
        [
          "unused for",
          `${duration(sandbox.lease_seconds * 1000)}, then ${sandbox.on_timeout === "kill" ? "ended" : "paused"}`,
        ],
        ["as it is, until", sandbox.status !== "stopped" && moment(sandbox.lease_until)],
        ["machine", sandbox.host_name],
        ["made by", who(sandbox.created_by)],
        ["made", moment(sandbox.created_at)],
        ["ended", sandbox.ended_at && moment(sandbox.ended_at)],
      ]}
    />
  );
}
