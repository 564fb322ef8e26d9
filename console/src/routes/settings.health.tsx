import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { figureLink } from "@/components/facts";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Table } from "@/components/table";
import { readyQuery, servicesQuery, webhooksQuery, workersQuery } from "@/features/settings/api";
import { cn } from "@/lib/cn";
import { ago, count, duration } from "@/lib/format";
import { runLink } from "./-run-link";

export const Route = createFileRoute("/settings/health")({ component: Health });

function Health() {
  const ready = useQuery(readyQuery);
  const workers = useQuery(workersQuery);
  return (
    <div className="space-y-5">
      <Card title="This server" actions={<CopyCurl path="/ready" />}>
        <Shown of={ready} what="the server's state">
          {(found) => (
            <ul className="divide-y divide-line">
              <Line name="API" told={`version ${found.version}`} isGood />
              <Line name="Database" told={found.database ? "answers" : "does not answer"} isGood={found.database} />
              <Line
                name="Worker"
                told={found.worker ? "this process executes runs" : "this process holds no lease and executes nothing"}
                isGood={found.worker}
              />
            </ul>
          )}
        </Shown>
      </Card>
      <Card title="Queue of this workspace" actions={<CopyCurl path="/v1/workers" />}>
        <Shown of={workers} what="the queue">
          {({ queue }) => (
            <>
              <dl className="grid grid-cols-2 gap-4 p-4 sm:grid-cols-3 lg:grid-cols-6">
                {(
                  [
                    ["Queued", queue.queued, { scheduled: false }],
                    ["For later", queue.scheduled, { scheduled: true }],
                    ["Running", queue.running, { status: "running" }],
                    ["Waiting", queue.suspended, { status: "waiting" }],
                    ["For approval", queue.for_approval, { waits: "approval" }],
                    ["For a budget", queue.for_budget, { waits: "budget" }],
                  ] as const
                ).map(([name, value, search]) => (
                  <div key={name}>
                    <dt className="text-sm text-soft">{name}</dt>
                    <dd>
                      <Link
                        to="/runs"
                        search={search}
                        className="text-xl font-semibold tabular-nums underline-offset-2 hover:underline"
                      >
                        {count(value)}
                      </Link>
                    </dd>
                  </div>
                ))}
              </dl>
              {queue.oldest_run_id && (
                <p className="px-4 pb-4 text-sm text-soft">
                  {runLink(queue.oldest_run_id, "The oldest")} has been due for {duration(queue.waiting_seconds * 1000)}
                  .
                </p>
              )}
            </>
          )}
        </Shown>
      </Card>
      <Card title="Workers">
        <Shown of={workers} what="workers">
          {({ data }) =>
            data.length ? (
              <Table
                name="Workers"
                rows={data}
                keyOf={({ id }) => id}
                columns={[
                  { name: "Process", show: ({ name, id }) => name ?? `worker …${id.slice(-8)}` },
                  { name: "Version", isExtra: true, show: ({ version }) => version },
                  { name: "Since", show: ({ started_at }) => ago(started_at) },
                  {
                    name: "Your runs",
                    isNumber: true,
                    show: ({ id, running }) => (
                      <Link to="/runs" search={{ worker: id }} className={figureLink}>
                        {count(running)}
                      </Link>
                    ),
                  },
                  {
                    name: "State",
                    show: ({ is_alive }) => (
                      <Status value={is_alive ? "ready" : "lost"} className={is_alive ? "" : "bg-bad-soft text-bad"} />
                    ),
                  },
                ]}
              />
            ) : (
              <div className="p-4">
                <Empty title="Nobody executes runs">Start one with `glia serve` or `glia worker`.</Empty>
              </div>
            )
          }
        </Shown>
      </Card>
      <Services />
      <Told />
    </div>
  );
}

/** What this server is made of, each tried just now. */
function Services() {
  const services = useQuery(servicesQuery);
  return (
    <Card title="Services" actions={<CopyCurl path="/v1/health/services" />}>
      <Shown of={services} what="the services">
        {({ data }) => (
          <ul className="divide-y divide-line">
            {data.map((service) => (
              <li key={service.name} className="px-4 py-2.5">
                <p className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
                  <span className="font-medium">{service.name}</span>
                  <span className="flex items-center gap-3">
                    <span className="text-sm text-soft tabular-nums">
                      {duration(service.latency_ms)} · up {duration(service.uptime_seconds * 1000)}
                    </span>
                    <Status
                      value={service.status}
                      className={cn(
                        service.status === "healthy" && "text-good",
                        service.status === "degraded" && "bg-warn-soft text-warn",
                        service.status === "down" && "bg-bad-soft text-bad",
                      )}
                    />
                  </span>
                </p>
                <ul className="text-sm text-soft">
                  {service.checks.map((check) => (
                    <li key={check.name} className="break-words">
                      {check.name}: {check.status}
                      {check.detail && `, ${check.detail}`}
                    </li>
                  ))}
                </ul>
              </li>
            ))}
          </ul>
        )}
      </Shown>
    </Card>
  );
}

function Told() {
  const webhooks = useQuery(webhooksQuery);
  return (
    <Card title="Webhooks">
      <Shown of={webhooks} what="webhooks">
        {({ data }) =>
          data.length ? (
            <ul className="divide-y divide-line">
              {data.map((webhook) => (
                <Line
                  key={webhook.id}
                  name={
                    <Link
                      to="/settings/webhooks/$webhook"
                      params={{ webhook: webhook.id }}
                      className="break-all text-accent underline underline-offset-2"
                    >
                      {webhook.description || webhook.url}
                    </Link>
                  }
                  told={
                    webhook.disabled_reason ??
                    (webhook.failing_since ? `fails since ${ago(webhook.failing_since)}` : "")
                  }
                  isGood={!webhook.disabled_reason && !webhook.failing_since}
                />
              ))}
            </ul>
          ) : (
            <p className="p-4 text-soft">Nobody is told.</p>
          )
        }
      </Shown>
    </Card>
  );
}

function Line({ name, told, isGood }: { name: React.ReactNode; told: string; isGood: boolean }) {
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 px-4 py-2.5">
      <span className="min-w-0">
        <span className="font-medium">{name}</span> <span className="text-sm break-words text-soft">{told}</span>
      </span>
      <Status value={isGood ? "ok" : "failing"} className={isGood ? "" : "bg-bad-soft text-bad"} />
    </li>
  );
}
