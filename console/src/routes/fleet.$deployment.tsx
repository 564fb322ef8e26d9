import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, useNavigate } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { Orders, Scale } from "@/features/deployments/actions";
import {
  changeDeployment,
  type Deployment,
  deleteDeployment,
  deploymentQuery,
  type Level,
  type LineFilter,
  type Period,
  replicasQuery,
} from "@/features/deployments/api";
import { changesOf, type Draft, draftOf } from "@/features/deployments/draft";
import { Figures } from "@/features/deployments/figures";
import { DeploymentForm } from "@/features/deployments/form";
import { Logs } from "@/features/deployments/logs";
import { Replicas } from "@/features/deployments/replicas";
import { Versions } from "@/features/deployments/versions";
import { serverUrl } from "@/lib/api";
import { counted, moment } from "@/lib/format";
import { toast } from "@/lib/toast";
import { later } from "@/lib/undo";

const LEVELS: Level[] = ["debug", "info", "warn", "error"];
const PERIODS: Period[] = ["1h", "24h", "7d"];

interface Search {
  level?: Level;
  text?: string;
  replica?: string;
  period?: Period;
  /** Whether a new version is being written. */
  change?: true;
}

const textOf = (value: unknown) => (typeof value === "string" && value ? value : undefined);

export const Route = createFileRoute("/fleet/$deployment")({
  component: DeploymentPage,
  validateSearch: ({ level, text, replica, period, change }: Record<string, unknown>): Search => ({
    level: LEVELS.find((each) => each === level),
    text: typeof text === "number" ? String(text) : textOf(text),
    replica: textOf(replica),
    period: PERIODS.find((each) => each === period),
    change: change === true ? true : undefined,
  }),
});

function DeploymentPage() {
  const { deployment: reference } = Route.useParams();
  const deployment = useQuery(deploymentQuery(reference));
  return (
    <Loaded of={deployment} what="the deployment" title="Deployment" back={{ to: "/fleet", name: "All deployments" }}>
      {(found) => <Found key={found.id} deployment={found} />}
    </Loaded>
  );
}

function Found({ deployment }: { deployment: Deployment }) {
  const navigate = useNavigate({ from: "/fleet/$deployment" });
  const queries = useQueryClient();
  const { level, text, replica, period, change: isChanging = false } = Route.useSearch();
  const replicas = useQuery(replicasQuery(deployment.id, deployment.status === "deploying"));
  const filter: LineFilter = { level: level ?? "debug", text: text ?? "", replica: replica ?? "" };
  const show = (next: Partial<Search>) =>
    void navigate({ search: (before) => ({ ...before, ...next }), replace: true, resetScroll: false });
  const setIsChanging = (isOpen: boolean) => show({ change: isOpen || undefined });
  const onSave = async (draft: Draft, stored: () => void) => {
    const changed = await changeDeployment(deployment.id, changesOf(draft, deployment));
    stored();
    setIsChanging(false);
    if (changed.version !== deployment.version)
      toast.success(`Version ${changed.version} replaces replica by replica.`);
    await queries.invalidateQueries({ queryKey: ["deployments"] });
  };
  const onDelete = async () => {
    later({
      key: deployment.id,
      text: `${deployment.name} is deleted, with its logs and figures.`,
      perform: () => deleteDeployment(deployment.id),
      onSettled: () => queries.invalidateQueries({ queryKey: ["deployments"] }),
    });
    await navigate({ to: "/fleet" });
  };
  const path = `/v1/deployments/${deployment.name}`;
  return (
    <Page
      title={
        <span className="flex flex-wrap items-center gap-3">
          {deployment.name} <Status value={deployment.status} />
        </span>
      }
      lead={`${deployment.ready_replicas} of ${counted(deployment.replicas, "replica")} ready · ${deployment.region || "any region"} · version ${deployment.version}`}
      actions={
        <>
          <Orders deployment={deployment} />
          <Button aria-expanded={isChanging} onClick={() => setIsChanging(!isChanging)}>
            New version
          </Button>
          <Button look="danger" onClick={() => void onDelete()}>
            <Trash2 aria-hidden /> Delete
          </Button>
          <CopyCurl path={path} />
        </>
      }
    >
      {deployment.reason && (
        <p className="mb-4 rounded-lg bg-bad-soft px-4 py-3 break-words text-bad">{deployment.reason}</p>
      )}
      {isChanging && (
        <Card title="New version" className="mb-5">
          <div className="p-4">
            <DeploymentForm
              begin={draftOf(deployment)}
              before={deployment}
              action="Roll it out"
              onSave={onSave}
              actions={<Button onClick={() => setIsChanging(false)}>Leave it</Button>}
            />
          </div>
        </Card>
      )}
      <div className="grid items-start gap-5 lg:grid-cols-3">
        <div className="min-w-0 space-y-5 lg:col-span-2">
          <Card title={`Replicas (${replicas.data?.data.length ?? "–"})`} actions={<Scale deployment={deployment} />}>
            <Shown of={replicas} what="replicas">
              {({ data }) => <Replicas deployment={deployment} replicas={data} />}
            </Shown>
          </Card>
          <Card title="Versions" actions={<CopyCurl path={`${path}/versions`} />}>
            <div className="max-h-80 overflow-y-auto">
              <Versions deployment={deployment} />
            </div>
          </Card>
        </div>
        <Card title="Program">
          <Facts deployment={deployment} />
        </Card>
      </div>
      <Card title="Figures" className="mt-5" actions={<CopyCurl path={`${path}/metrics?period=${period ?? "1h"}`} />}>
        <Figures deployment={deployment.id} period={period ?? "1h"} onPeriod={(next) => show({ period: next })} />
      </Card>
      <Card title="Logs" className="mt-5" actions={<CopyCurl path={`${path}/logs?tail=100&level=${filter.level}`} />}>
        <Logs
          deployment={deployment.id}
          replicas={replicas.data?.data ?? []}
          filter={filter}
          onFilter={(next) =>
            show({
              level: next.level === "debug" ? undefined : next.level,
              text: next.text || undefined,
              replica: next.replica || undefined,
            })
          }
        />
      </Card>
    </Page>
  );
}

function Facts({ deployment }: { deployment: Deployment }) {
  const facts = [
    ["runtime", deployment.runtime],
    ["program", deployment.binary_url],
    ["digest", deployment.digest?.slice(0, 16) ?? "not downloaded yet"],
    ["limits", `${deployment.cpu} cores · ${deployment.memory}`],
    ["port", String(deployment.port)],
    ["health", deployment.health_path],
    ["arguments", deployment.command.join(" ") || "none"],
    ["variables", deployment.environment_names.join(", ") || "none"],
    ["made", `${moment(deployment.created_at)} by ${deployment.created_by.split(":")[0]}`],
  ];
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 p-4 text-sm">
      <dt className="text-soft">address</dt>
      <dd className="min-w-0 break-all">
        <a
          href={`${serverUrl()}${deployment.endpoint}`}
          target="_blank"
          rel="noreferrer noopener"
          className="text-accent underline underline-offset-2"
        >
          {deployment.endpoint}
        </a>
      </dd>
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-soft">{name}</dt>
          <dd className="min-w-0 break-all">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
