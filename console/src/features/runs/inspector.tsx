import { useQuery } from "@tanstack/react-query";
import { Artifact } from "@/components/artifact";
import { Code } from "@/components/code";
import { Shown } from "@/components/states";
import { ApiError } from "@/lib/api";
import { count, counted, duration, moment, money, percent, pretty } from "@/lib/format";
import type { LogEvent } from "@/lib/log";
import type { File } from "@/lib/look";
import { modelCallQuery } from "./api";

/** Everything about one event; for a model's call also what exactly it was sent. */
export function Inspector({ event, run }: { event: LogEvent; run: string }) {
  return (
    <div className="space-y-4 p-4">
      <header>
        <h3 className="font-mono font-semibold break-all">{event.type}</h3>
        <p className="text-sm text-soft tabular-nums">
          event {event.seq} · {moment(event.at)} · {event.at.slice(17, 23)} s
        </p>
      </header>
      {event.type === "model.responded" && <CallFacts event={event} />}
      {(event.type === "model.requested" || event.type === "model.responded") && (
        <Sent run={run} step={event.data.step} />
      )}
      {filesOf(event).map((file) => (
        <Artifact key={file.id} run={run} file={file} />
      ))}
      <Part name="Data, as it is stored" text={pretty(event.data)} />
    </div>
  );
}

/** The files that a tool has made, where an event tells of them. */
function filesOf({ type, data }: LogEvent): File[] {
  if (type === "artifact.created") return [data];
  return type === "tool.returned" ? (data.artifacts ?? []) : [];
}

function CallFacts({ event }: { event: LogEvent }) {
  const { input_tokens, output_tokens, cached_input_tokens, is_estimated } = event.data.usage;
  const facts = [
    ["model", event.data.model],
    [
      "tokens in",
      `${count(input_tokens)}${cached_input_tokens ? `, ${count(cached_input_tokens)} of them cached` : ""}`,
    ],
    ["tokens out", count(output_tokens)],
    ["counted", is_estimated ? "by estimate" : "by the provider"],
    ["cost", money(event.data.cost_micros)],
    ["took", duration(event.data.latency_ms)],
    ["ended", event.data.finish_reason],
  ];
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 text-sm">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-soft">{name}</dt>
          <dd className="break-words tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What exactly the model was sent for a call, part by part. */
function Sent({ run, step }: { run: string; step: number }) {
  const sent = useQuery(modelCallQuery(run, step));
  if (sent.error instanceof ApiError && sent.error.status === 404)
    return <p className="text-sm text-soft">What the model was sent is shown once it has answered.</p>;
  return (
    <Shown of={sent} what="what the model was sent">
      {(call) => (
        <>
          <section>
            <h4 className="mb-2 text-sm font-medium">
              Context window, by part
              <span className="font-normal text-soft tabular-nums">
                {" "}
                ·{" "}
                {counted(
                  call.parts.reduce((sum, part) => sum + part.tokens, 0),
                  "token",
                )}
              </span>
            </h4>
            <ul className="space-y-1.5 text-sm">
              {call.parts.map((part, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: parts of a stored request never change their order
                <li key={index} className="grid grid-cols-[minmax(0,1fr)_4rem_7rem] items-center gap-2">
                  <span className="truncate">
                    {part.kind}
                    {part.name && <span className="text-soft"> {part.name}</span>}
                  </span>
                  <span className="h-2 rounded bg-raised" aria-hidden>
                    <span className="block h-full rounded bg-lane-model" style={{ width: `${part.share * 100}%` }} />
                  </span>
                  <span className="text-right text-soft tabular-nums">
                    {count(part.tokens)} · {percent(part.share)}
                  </span>
                </li>
              ))}
            </ul>
          </section>
          <Part name="Instructions" text={call.instructions} />
          <Part name="Messages" text={pretty(call.messages)} />
          <Part name={`Tools (${call.tools.length})`} text={pretty(call.tools)} />
        </>
      )}
    </Shown>
  );
}

function Part({ name, text }: { name: string; text: string }) {
  return (
    <details open={name.startsWith("Data")} className="text-sm">
      <summary className="font-medium">{name}</summary>
      <Code name={name} text={text} className="mt-1.5 max-h-96" />
    </details>
  );
}
