import type { Kind, Trigger, When } from "./api";

export const KINDS: Record<Kind, string> = {
  cron: "By the clock (cron)",
  interval: "Every so often",
  at: "Once, at a time",
  event: "When something happens in a run",
  metric: "When a figure rises",
  judged: "When a condition in words holds",
  webhook: "When a request comes in",
  manual: "Only when somebody fires it",
};

export const METRICS = [
  "cost_micros",
  "tokens",
  "model_calls",
  "failed_model_calls",
  "failed_runs",
  "error_rate",
  "latency_seconds",
  "queue_wait_seconds",
] as const;

export const EVENT_TYPES = [
  "run.completed",
  "run.failed",
  "run.cancelled",
  "run.waiting",
  "approval.requested",
  "approval.decided",
  "tool.called",
  "tool.returned",
  "budget.exceeded",
  "model.responded",
  "artifact.created",
  "workflow.completed",
] as const;

const units: [number, string][] = [
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
];

/** Seconds in the largest unit that divides them: 7200 is "2 hours". */
export function every(seconds: number): string {
  const [size, name] = units.find(([size]) => seconds % size === 0) ?? [1, "second"];
  const number = seconds / size;
  return number === 1 ? name : `${number} ${name}s`;
}

/** When a trigger fires, in one line. */
export function toldWhen(when: Trigger["when"]): string {
  const { kind } = when as { kind: Kind };
  const text = (name: string) => String(when[name] ?? "");
  switch (kind) {
    case "cron":
      return `${text("cron")} (${text("timezone") || "UTC"})`;
    case "interval":
      return `every ${every(Number(when.every_seconds))}`;
    case "at":
      return `once at ${text("at").replace("T", " ").slice(0, 16)} UTC`;
    case "event":
      return `when ${text("event_type")} happens`;
    case "metric":
      return `when ${text("metric")} rises above ${text("above")}`;
    case "judged":
      return `when “${text("condition")}”`;
    case "webhook":
      return text("verification") === "url_token" ? "on a request to its secret address" : "on a signed request";
    case "manual":
      return "when somebody fires it";
  }
}

/** Reads the fields of a form. Throws a sentence for what cannot be sent. */
export function readWhen(kind: Kind, form: FormData): When {
  const text = (name: string) => String(form.get(name) ?? "").trim();
  const number = (name: string) => (text(name) === "" ? undefined : Number(text(name)));
  const moment = (name: string) => (text(name) ? new Date(text(name)).toISOString() : undefined);
  const found: Record<string, unknown> = { kind };
  const put = (name: string, value: unknown) => {
    if (value !== undefined && value !== "") found[name] = value;
  };
  if (kind === "cron") {
    put("cron", text("cron"));
    put("timezone", text("timezone"));
  } else if (kind === "interval") {
    put("every_seconds", Math.round((number("every") ?? 0) * Number(text("unit") || 1)));
    put("starts_at", moment("starts_at"));
  } else if (kind === "at") put("at", moment("at"));
  else if (kind === "event") put("event_type", text("event_type"));
  else if (kind === "metric") {
    put("metric", text("metric"));
    put("above", number("above"));
    put("window_seconds", number("window_seconds"));
  } else if (kind === "judged") put("condition", text("condition"));
  else if (kind === "webhook") put("verification", text("verification") || "signed");
  if (kind === "event" || kind === "metric" || kind === "judged") {
    put("agent_id", text("watched"));
    put("cooldown_seconds", number("cooldown_seconds"));
  }
  if ((kind === "event" || kind === "webhook") && text("filter")) {
    const filter = parsed(text("filter"));
    if (!Array.isArray(filter))
      throw new Error('The filter is a list, as [{"field": "data.tool", "op": "eq", "value": "x"}].');
    found.filter = filter;
  }
  return found as unknown as When;
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("That is not JSON yet.");
  }
}

/** A moment as an input of the browser's own time zone takes it. */
export function localTime(at: unknown): string {
  if (typeof at !== "string") return "";
  const moment = new Date(at);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
