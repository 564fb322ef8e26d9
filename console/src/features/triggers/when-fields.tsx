import { Field, Input, Select, TextArea } from "@/components/ui/field";
import type { Kind, Trigger } from "./api";
import { EVENT_TYPES, localTime, METRICS } from "./when";

interface Props {
  kind: Kind;
  when: Trigger["when"] | undefined;
  agents: { id: string; name: string }[];
}

const UNITS: [string, number][] = [
  ["seconds", 1],
  ["minutes", 60],
  ["hours", 3600],
  ["days", 86_400],
];

/** The fields of one kind of `when`. */
export function WhenFields({ kind, when = {}, agents }: Props) {
  const text = (name: string) => (when[name] === undefined || when[name] === null ? "" : String(when[name]));
  switch (kind) {
    case "cron":
      return (
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Cron" hint="Minute, hour, day, month, day of week: 30 7 * * MON-FRI">
            {(given) => (
              <Input {...given} name="cron" required className="font-mono" defaultValue={text("cron") || "0 8 * * *"} />
            )}
          </Field>
          <Field label="Time zone" hint="As Europe/Berlin; UTC when empty.">
            {(given) => (
              <Input
                {...given}
                name="timezone"
                defaultValue={text("timezone") || Intl.DateTimeFormat().resolvedOptions().timeZone}
              />
            )}
          </Field>
        </div>
      );
    case "interval": {
      const seconds = Number(when.every_seconds ?? 3600);
      const unit = [...UNITS].reverse().find(([, size]) => seconds % size === 0)?.[1] ?? 1;
      return (
        <div className="grid gap-4 sm:grid-cols-3">
          <Field label="Every">
            {(given) => <Input {...given} name="every" type="number" min={1} required defaultValue={seconds / unit} />}
          </Field>
          <Field label="Unit">
            {(given) => (
              <Select {...given} name="unit" defaultValue={unit}>
                {UNITS.map(([name, size]) => (
                  <option key={size} value={size}>
                    {name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="First at" hint="Empty: one interval from now.">
            {(given) => (
              <Input {...given} name="starts_at" type="datetime-local" defaultValue={localTime(when.starts_at)} />
            )}
          </Field>
        </div>
      );
    }
    case "at":
      return (
        <Field label="At" hint="In the time zone of this browser.">
          {(given) => <Input {...given} name="at" type="datetime-local" required defaultValue={localTime(when.at)} />}
        </Field>
      );
    case "event":
      return (
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Event">
            {(given) => (
              <>
                <Input
                  {...given}
                  name="event_type"
                  list="event-types"
                  required
                  defaultValue={text("event_type") || "run.failed"}
                />
                <datalist id="event-types">
                  {EVENT_TYPES.map((type) => (
                    <option key={type} value={type} />
                  ))}
                </datalist>
              </>
            )}
          </Field>
          <Watched agents={agents} chosen={text("agent_id")} />
          <Cooldown value={text("cooldown_seconds")} />
          <Filter value={when.filter} />
        </div>
      );
    case "metric":
      return (
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Figure">
            {(given) => (
              <Select {...given} name="metric" defaultValue={text("metric") || "failed_runs"}>
                {METRICS.map((metric) => (
                  <option key={metric}>{metric}</option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="Rises above">
            {(given) => (
              <Input {...given} name="above" type="number" step="any" required defaultValue={text("above")} />
            )}
          </Field>
          <Field label="Over the last (seconds)">
            {(given) => (
              <Input
                {...given}
                name="window_seconds"
                type="number"
                min={1}
                defaultValue={text("window_seconds") || 3600}
              />
            )}
          </Field>
          <Watched agents={agents} chosen={text("agent_id")} />
          <Cooldown value={text("cooldown_seconds")} />
        </div>
      );
    case "judged":
      return (
        <div className="grid gap-4 sm:grid-cols-2">
          <div className="sm:col-span-2">
            <Field label="Condition" hint="A model reads each finished run and says whether it holds.">
              {(given) => <TextArea {...given} name="condition" rows={2} required defaultValue={text("condition")} />}
            </Field>
          </div>
          <Watched agents={agents} chosen={text("agent_id")} />
          <Cooldown value={text("cooldown_seconds")} />
        </div>
      );
    case "webhook":
      return (
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Proven by">
            {(given) => (
              <Select {...given} name="verification" defaultValue={text("verification") || "signed"}>
                <option value="signed">a signature</option>
                <option value="url_token">a secret address</option>
              </Select>
            )}
          </Field>
          <Filter value={when.filter} />
        </div>
      );
    case "manual":
      return <p className="text-sm text-soft">It has no time of its own: “Fire now” or the API fires it.</p>;
  }
}

function Watched({ agents, chosen }: { agents: Props["agents"]; chosen: string }) {
  return (
    <Field label="In runs of">
      {(given) => (
        <Select {...given} name="watched" defaultValue={chosen}>
          <option value="">every agent</option>
          {agents.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </Select>
      )}
    </Field>
  );
}

function Cooldown({ value }: { value: string }) {
  return (
    <Field label="At most once in (seconds)">
      {(given) => (
        <Input
          {...given}
          name="cooldown_seconds"
          type="number"
          min={0}
          placeholder="0"
          defaultValue={value === "0" ? "" : value}
        />
      )}
    </Field>
  );
}

function Filter({ value }: { value: unknown }) {
  const isThere = Array.isArray(value) && value.length > 0;
  return (
    <Field label="Filter" hint="A JSON list of {field, op, value} that must all hold; empty for everything.">
      {(given) => (
        <TextArea
          {...given}
          name="filter"
          rows={2}
          className="font-mono text-sm"
          defaultValue={isThere ? JSON.stringify(value) : ""}
        />
      )}
    </Field>
  );
}
