import type { LogEvent } from "@/lib/log";

export interface Span {
  seq: number;
  lane: "model" | "tool" | "wait";
  name: string;
  from: number;
  to: number;
  failed: boolean;
}

/** What took time in a run: model calls, tool calls and waiting, in milliseconds since its first event. */
export function spansOf(events: readonly LogEvent[]): { spans: Span[]; total: number } {
  const start = Date.parse(events[0]?.at ?? "");
  const end = Date.parse(events.at(-1)?.at ?? "");
  const open = new Map<string, Span>();
  const spans: Span[] = [];
  const begin = (key: string, event: LogEvent, lane: Span["lane"], name: string) => {
    const at = Date.parse(event.at) - start;
    const span = { seq: event.seq, lane, name, from: at, to: end - start, failed: false };
    open.set(key, span);
    spans.push(span);
  };
  const finish = (key: string, event: LogEvent, lasted: number | null, failed = false) => {
    const span = open.get(key);
    if (!span) return;
    open.delete(key);
    // A step's events are stored together, so the measured time says more than the difference of theirs.
    span.to = Date.parse(event.at) - start;
    if (lasted !== null && span.to - span.from < lasted) span.from = Math.max(0, span.to - lasted);
    span.failed = failed;
  };
  for (const event of events) {
    const { type, data } = event;
    if (type === "model.requested") begin(`model ${data.step}`, event, "model", `model call ${data.step}`);
    else if (type === "model.responded") finish(`model ${data.step}`, event, data.latency_ms);
    else if (type === "tool.called") begin(data.tool_call_id, event, "tool", data.tool);
    else if (type === "tool.returned") finish(data.tool_call_id, event, data.duration_ms, data.status !== "ok");
    else if (type === "run.waiting") begin("wait", event, "wait", `waiting for ${data.waiting_for.join(", ")}`);
    else if (type === "run.started" || type.startsWith("run.c") || type === "run.failed") finish("wait", event, null);
  }
  return { spans, total: Math.max(1, end - start) };
}

/** One line about an event, for the list. */
export function gistOf({ type, data }: LogEvent): string {
  switch (type) {
    case "message.received":
      return `${data.role}: ${data.content}`;
    case "run.started":
      return data.attempt > 1 || data.reason !== "started" ? `${data.reason}, attempt ${data.attempt}` : "";
    case "model.requested":
      return `call ${data.step}${data.model ? ` of ${data.model}` : ""}`;
    case "model.responded":
      return data.text || data.tool_calls.map((call: { name: string }) => `→ ${call.name}`).join(", ");
    case "text.delta":
    case "thinking.delta":
      return data.text;
    case "tool.called":
      return `${data.tool} ${JSON.stringify(data.arguments)}`;
    case "tool.returned":
      return `${data.tool} ${data.status}: ${data.text}`;
    case "approval.requested":
      return `${data.tool}: ${data.reason}`;
    case "approval.decided":
      return `${data.decision} by ${data.by}`;
    case "run.waiting":
      return data.waiting_for.join(", ");
    case "run.completed":
      return data.message?.content ?? "";
    case "run.failed":
      return data.error.message;
    default:
      return "";
  }
}

/** A span that is drawn, and how many stand so close behind it that they would be drawn over it. */
export interface Bar {
  span: Span;
  more: number;
}

// As a share of the whole: about what the narrowest bar takes.
const SLOT = 0.005;
const MOST_BARS = 600;

/** The bars of one lane. Those that differ by less than a bar's width are one; what failed or is shown stands alone. */
export function barsOf(spans: Span[], total: number, shown: number | undefined): Bar[] {
  const bars: Bar[] = [];
  let until = Number.NEGATIVE_INFINITY;
  for (const span of spans) {
    const last = bars.at(-1);
    if (last && !span.failed && span.seq !== shown && (span.to / total < until || bars.length >= MOST_BARS)) {
      last.more += 1;
      continue;
    }
    bars.push({ span, more: 0 });
    until = span.from / total + SLOT;
  }
  return bars;
}
