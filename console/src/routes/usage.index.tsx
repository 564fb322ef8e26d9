import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { type Bar, Days, Ranking } from "@/components/chart";
import { CopyCurl } from "@/components/copy-curl";
import { figureLink } from "@/components/facts";
import { Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { Select } from "@/components/ui/field";
import { type Grouping, type Only, type UsageRow, usageQuery } from "@/features/usage/api";
import { cn } from "@/lib/cn";
import { count, counted, money } from "@/lib/format";
import { dayAfter, daysBetween, sinceDays } from "@/lib/scale";
import { useNames } from "./-names";

const SPANS = [1, 7, 30, 90] as const;
const MEASURES = {
  cost: { name: "Cost", of: (row: UsageRow) => row.cost_micros ?? 0, show: money },
  tokens: { name: "Tokens", of: (row: UsageRow) => row.input_tokens + row.output_tokens, show: count },
  calls: { name: "Calls", of: (row: UsageRow) => row.calls, show: count },
} as const;
type Measure = keyof typeof MEASURES;

interface Search {
  days?: number;
  by?: Measure;
}

export const Route = createFileRoute("/usage/")({
  component: Spend,
  validateSearch: ({ days, by }: Record<string, unknown>): Search => ({
    days: SPANS.find((each) => each === Number(days)),
    by: by === "cost" || by === "tokens" || by === "calls" ? by : undefined,
  }),
});

function Spend() {
  const { days = 30, by } = Route.useSearch();
  const navigate = Route.useNavigate();
  const names = useNames();
  const since = sinceDays(days);
  const only: Only = { since };
  const byDay = useQuery(usageQuery("day", only));
  const byAgent = useQuery(usageQuery("agent", only));
  const byModel = useQuery(usageQuery("model", only));
  const byKey = useQuery(usageQuery("key", only));
  const total = byDay.data?.total;
  // Where no price is known, money says nothing; then tokens do.
  const shown = by ?? (total && !total.cost_micros ? "tokens" : "cost");
  const measure = MEASURES[shown];

  const ranking = (
    title: string,
    rows: UsageRow[],
    search: (group: string) => Only,
    name: (group: string | null) => string,
  ) => (
    <Ranking
      title={title}
      unit={measure.name}
      show={measure.show}
      bars={rows
        .map(
          (row): Bar => ({
            key: row.group ?? "none",
            name: name(row.group),
            value: measure.of(row),
            told: toldOf(row),
          }),
        )
        .sort((one, other) => other.value - one.value)}
      link={(bar, children, className) => (
        <Link to="/usage/calls" search={{ since, ...search(bar.key) }} className={className}>
          {children}
        </Link>
      )}
    />
  );
  const toldOf = (row: UsageRow) =>
    shown === "cost" && row.cost_micros == null
      ? `unknown, ${counted(row.calls, "call")}`
      : measure.show(measure.of(row));

  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-2">
        <nav aria-label="Span" className="flex gap-1">
          {SPANS.map((span) => (
            <Link
              key={span}
              to="/usage"
              search={{ days: span, by }}
              aria-current={span === days ? "page" : undefined}
              className={cn(
                buttonStyle({ size: "small", look: "quiet" }),
                "aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent",
              )}
            >
              {span === 1 ? "Today" : `${span} days`}
            </Link>
          ))}
        </nav>
        <div className="flex-1" />
        <Select
          aria-label="Shown"
          className="w-auto"
          value={shown}
          onChange={(event) => void navigate({ search: { days, by: event.target.value as Measure }, replace: true })}
        >
          {Object.entries(MEASURES).map(([key, { name }]) => (
            <option key={key} value={key}>
              {name}
            </option>
          ))}
        </Select>
        <CopyCurl path={`/v1/usage?group_by=day&since=${since}`} />
      </div>
      <Totals total={total} since={since} />
      <Shown of={byDay} what="usage">
        {({ data }) => {
          const rows = new Map(data.map((row) => [row.group, row]));
          return (
            <Days
              title="By day, in UTC"
              unit={measure.name}
              show={measure.show}
              bars={
                data.length === 0
                  ? []
                  : daysBetween(since, new Date().toISOString()).map((day) => {
                      const row = rows.get(day);
                      return {
                        key: day,
                        name: day,
                        value: row ? measure.of(row) : 0,
                        told: row ? toldOf(row) : "nothing",
                      };
                    })
              }
              link={(bar, children, className) => (
                <Link
                  to="/usage/calls"
                  search={{ since: `${bar.key}T00:00:00Z`, until: dayAfter(bar.key) }}
                  className={className}
                >
                  {children}
                </Link>
              )}
            />
          );
        }}
      </Shown>
      <div className="grid gap-5 lg:grid-cols-2">
        <Shown of={byAgent} what="usage by agent">
          {({ data }) => ranking("By agent", data, (agent_id) => ({ agent_id }), names.agent)}
        </Shown>
        <Shown of={byModel} what="usage by model">
          {({ data }) =>
            ranking(
              "By model",
              data,
              (model) => ({ model }),
              (model) => model ?? "unknown",
            )
          }
        </Shown>
        <Shown of={byKey} what="usage by key">
          {({ data }) => ranking("By key", data, (key_id) => ({ key_id }), names.key)}
        </Shown>
      </div>
    </div>
  );
}

function Totals({ total, since }: { total: UsageRow | undefined; since: string }) {
  const groups: [string, string, Grouping | null][] = [
    ["Cost", total ? money(total.cost_micros ?? (total.calls ? null : 0)) : "–", null],
    ["Model calls", total ? count(total.calls) : "–", null],
    ["Tokens in", total ? count(total.input_tokens) : "–", null],
    ["Tokens out", total ? count(total.output_tokens) : "–", null],
  ];
  return (
    <div>
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
        {groups.map(([name, value]) => (
          <Link
            key={name}
            to="/usage/calls"
            search={{ since }}
            className="rounded-xl border border-line bg-panel p-4 hover:bg-raised"
          >
            <span className="block text-sm text-soft">{name}</span>
            <span className="block text-2xl font-semibold tabular-nums">{value}</span>
          </Link>
        ))}
      </div>
      {total && (total.calls_of_unknown_cost > 0 || total.failed_calls > 0) && (
        <p className="mt-2 text-sm text-soft">
          {total.calls_of_unknown_cost > 0 && (
            <Link to="/usage/calls" search={{ since, is_priced: false }} className={figureLink}>
              {counted(total.calls_of_unknown_cost, "call")} of unknown price left out.
            </Link>
          )}{" "}
          {total.failed_calls > 0 && (
            <Link to="/usage/calls" search={{ since, status: "failed" }} className={figureLink}>
              {counted(total.failed_calls, "call")} failed.
            </Link>
          )}
        </p>
      )}
    </div>
  );
}
