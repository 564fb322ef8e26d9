import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Chips } from "@/components/chips";
import { CopyCurl, queryOf } from "@/components/copy-curl";
import { figureLink } from "@/components/facts";
import { Card } from "@/components/page";
import { Empty, Failure, Loading, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Table } from "@/components/table";
import { Button } from "@/components/ui/button";
import { type Only, recordsQuery, type UsageRow, usageQuery } from "@/features/usage/api";
import { cost, count, counted, duration, moment, money } from "@/lib/format";
import { useNames } from "./-names";
import { runLink } from "./-run-link";

const NAMES = [
  "since",
  "until",
  "model",
  "agent_id",
  "key_id",
  "run_id",
  "root_run_id",
  "session_id",
  "project_id",
] as const;
const STATES = ["ok", "cancelled", "failed"] as const;
const MOST_RUNS = 200;

export const Route = createFileRoute("/usage/calls")({
  component: Calls,
  validateSearch: (search: Record<string, unknown>): Only => ({
    ...Object.fromEntries(
      NAMES.flatMap((name) => (typeof search[name] === "string" && search[name] ? [[name, search[name]]] : [])),
    ),
    status: STATES.find((each) => each === search.status),
    is_priced: typeof search.is_priced === "boolean" ? search.is_priced : undefined,
  }),
});

function Calls() {
  const only = Route.useSearch();
  const names = useNames();
  const byRun = useQuery(usageQuery("run", only));
  const records = useInfiniteQuery(recordsQuery(only));
  const found = records.data?.pages.flatMap((page) => page.data);
  const told: Record<(typeof NAMES)[number], (value: string) => string> = {
    since: (value) => `from ${moment(value)}`,
    until: (value) => `until ${moment(value)}`,
    model: (value) => value,
    agent_id: (value) => names.agent(value === "none" ? null : value),
    key_id: (value) => `key: ${names.key(value === "none" ? null : value)}`,
    run_id: (value) => (value === "none" ? "without a run" : `run ${value.slice(-6)}`),
    root_run_id: (value) => `run ${value.slice(-6)} and what works for it`,
    session_id: (value) => `conversation ${value.slice(-6)}`,
    project_id: (value) => `project ${value.slice(-6)}`,
  };
  const chips = NAMES.flatMap((name) => {
    const value = only[name];
    return value ? [{ name: name as string, told: told[name](value) }] : [];
  });
  if (only.status) chips.push({ name: "status", told: only.status });
  if (only.is_priced !== undefined)
    chips.push({ name: "is_priced", told: only.is_priced ? "of known price" : "of unknown price" });
  const opens = (row: UsageRow, children: ReactNode, more: Only = {}) => (
    <Link to="/usage/calls" search={{ ...only, run_id: row.group ?? "none", ...more }} className={figureLink}>
      {children}
    </Link>
  );
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <Chips
          chips={chips}
          link={(name, children, given) => (
            <Link to="/usage/calls" search={{ ...only, [name]: undefined }} {...given}>
              {children}
            </Link>
          )}
        />
        <div className="flex-1" />
        <CopyCurl path={`/v1/usage/records${queryOf(Object.entries(only))}`} />
      </div>
      <Card title="Runs">
        <Shown of={byRun} what="runs">
          {({ data, total }) =>
            data.length === 0 ? (
              <div className="p-4">
                <Empty title="No model was called">Take a filter away, or choose a longer span.</Empty>
              </div>
            ) : (
              <>
                <p className="border-b border-line px-4 py-2 text-sm text-soft">
                  {counted(total.calls, "call")} · {counted(total.input_tokens + total.output_tokens, "token")} ·{" "}
                  {cost(total.cost_micros)}
                  {data.length > MOST_RUNS &&
                    ` · the ${MOST_RUNS} busiest of ${data.length >= 1000 ? "more than 1,000" : count(data.length)} runs; all calls are below`}
                </p>
                <Table
                  name="Runs"
                  rows={data.slice(0, MOST_RUNS)}
                  keyOf={(row) => row.group ?? "none"}
                  columns={[
                    {
                      name: "Run",
                      show: (row) =>
                        row.group ? (
                          <Link
                            to="/runs/$run"
                            params={{ run: row.group }}
                            className="font-mono text-accent underline underline-offset-2"
                          >
                            …{row.group.slice(-12)}
                          </Link>
                        ) : (
                          <Link
                            to="/usage/calls"
                            search={{ ...only, run_id: "none" }}
                            className="text-accent underline underline-offset-2"
                          >
                            Calls without a run
                          </Link>
                        ),
                    },
                    { name: "Calls", isNumber: true, show: (row) => opens(row, count(row.calls)) },
                    {
                      name: "Tokens",
                      isNumber: true,
                      show: (row) => opens(row, count(row.input_tokens + row.output_tokens)),
                    },
                    { name: "Cost", isNumber: true, show: (row) => opens(row, money(row.cost_micros)) },
                    {
                      name: "Failed",
                      isNumber: true,
                      isExtra: true,
                      show: (row) => (row.failed_calls ? opens(row, count(row.failed_calls), { status: "failed" }) : 0),
                    },
                    { name: "Mean time", isNumber: true, isExtra: true, show: (row) => duration(row.latency_ms) },
                  ]}
                />
              </>
            )
          }
        </Shown>
      </Card>
      <Card title="Single calls">
        {records.error && !found && <Failure error={records.error} onRetry={() => void records.refetch()} />}
        {records.isLoading && <Loading what="calls" />}
        {found && found.length > 0 && (
          <Table
            name="Single calls"
            rows={found}
            keyOf={(record) => record.id}
            columns={[
              {
                name: "At",
                show: (record) => (
                  <span className="whitespace-nowrap">
                    {record.run_id
                      ? runLink(record.run_id, moment(record.at), { step: record.step, call: record.tool_call_id })
                      : moment(record.at)}
                  </span>
                ),
              },
              { name: "Model", show: (record) => record.model },
              { name: "Agent", isExtra: true, show: (record) => names.agent(record.agent_id) },
              { name: "Key", isExtra: true, show: (record) => names.key(record.key_id) },
              {
                name: "Tokens",
                isNumber: true,
                show: (record) =>
                  `${count(record.input_tokens)} + ${count(record.output_tokens)}${record.is_estimated ? " ≈" : ""}`,
              },
              { name: "Cost", isNumber: true, show: (record) => money(record.cost_micros) },
              { name: "Time", isNumber: true, isExtra: true, show: (record) => duration(record.latency_ms) },
              { name: "Status", show: (record) => <Status value={record.status} /> },
            ]}
          />
        )}
        {records.hasNextPage && (
          <div className="border-t border-line p-3 text-center">
            <Button disabled={records.isFetchingNextPage} onClick={() => void records.fetchNextPage()}>
              Older calls
            </Button>
          </div>
        )}
      </Card>
    </div>
  );
}
