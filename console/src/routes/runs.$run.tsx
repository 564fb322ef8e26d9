import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { Download, GitFork, Link2, MessageSquare, Play, Square } from "lucide-react";
import { useMemo } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { figureLink } from "@/components/facts";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { Failure, Loading } from "@/components/states";
import { Status } from "@/components/status";
import { Button, buttonStyle } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import {
  cancelRun,
  downloadRun,
  forkAt,
  isOpen,
  kindName,
  type Run,
  resumeRun,
  runQuery,
  useEvents,
} from "@/features/runs/api";
import { EventList } from "@/features/runs/event-list";
import { Inspector } from "@/features/runs/inspector";
import { spansOf } from "@/features/runs/timeline";
import { TimelineView } from "@/features/runs/timeline-view";
import { cost, count, counted } from "@/lib/format";
import type { LogEvent } from "@/lib/log";
import { toast } from "@/lib/toast";
import { Waits } from "./-waits";

interface Search {
  event?: number;
  deltas?: true;
  /** A tool call of the run, or the number of a model call; its event is shown. */
  call?: string;
  step?: number;
  /** Only the events that one of the run's figures counts. */
  only?: keyof typeof COUNTED;
}

const COUNTED = { tools: { type: "tool.returned", name: "tool calls" } } as const;

export const Route = createFileRoute("/runs/$run")({
  component: RunPage,
  validateSearch: ({ event, deltas, call, step, only }: Record<string, unknown>): Search => ({
    event: Number(event) > 0 ? Number(event) : undefined,
    deltas: deltas === true ? true : undefined,
    call: typeof call === "string" ? call : undefined,
    step: Number(step) > 0 ? Number(step) : undefined,
    only: only === "tools" ? only : undefined,
  }),
});

function RunPage() {
  const { run: id } = Route.useParams();
  const run = useQuery(runQuery(id));
  return (
    <Loaded of={run} what="the run" title="Run" back={{ to: "/runs", name: "All runs" }}>
      {(found) => <Found key={id} run={found} />}
    </Loaded>
  );
}

function Found({ run }: { run: Run }) {
  const { event: asked, deltas, call, step, only } = Route.useSearch();
  const navigate = useNavigate({ from: "/runs/$run" });
  const { events, error, isRead } = useEvents(run);
  const called = useMemo(() => eventOf(events, call, step), [events, call, step]);
  const seq = asked ?? (called ? called.seq : undefined);
  const agents = useQuery({ ...agentsQuery, enabled: run.agent_id !== null });
  const agent = agents.data?.data.find(({ id }) => id === run.agent_id);
  const timeline = useMemo(() => spansOf(events), [events]);
  const listed = useMemo(
    () =>
      only
        ? events.filter((event) => event.type === COUNTED[only].type)
        : deltas
          ? events
          : events.filter((event) => !event.type.endsWith(".delta") || event.seq === seq),
    [events, deltas, seq, only],
  );
  const shown = events.find((event) => event.seq === seq);
  const show = (next: number) => void navigate({ search: (before) => ({ ...before, event: next }), replace: true });
  return (
    <Page
      title={
        <span className="flex flex-wrap items-center gap-3">
          {agent ? `Run of ${agent.name}` : kindName(run.kind)} <Status value={run.status} />
        </span>
      }
      lead={
        <>
          <Facts run={run} />
          {run.attempt > 1 && ` · attempt ${run.attempt}`}
          {run.status === "waiting" && (
            <>
              {" · waits for "}
              <Waits what={run.waiting_for} />
            </>
          )}
        </>
      }
      actions={<Actions run={run} at={shown?.seq ?? events.at(-1)?.seq} />}
    >
      {run.error && <p className="mb-4 rounded-lg bg-bad-soft px-4 py-3 break-words text-bad">{run.error.message}</p>}
      {error && <Failure error={error} />}
      <Card title="Timeline" className="mb-5">
        <TimelineView {...timeline} shown={seq} onShow={show} />
      </Card>
      <div className="grid gap-5 lg:grid-cols-2">
        <Card
          title={only ? `Its ${COUNTED[only].name} (${count(listed.length)})` : `Events (${count(listed.length)})`}
          className="flex h-[28rem] flex-col lg:h-[38rem]"
          actions={
            only ? (
              <Link
                to="/runs/$run"
                params={{ run: run.id }}
                search={{ event: seq }}
                replace
                className="text-sm text-accent"
              >
                All events
              </Link>
            ) : (
              <label className="flex items-center gap-2 text-sm text-soft">
                <input
                  type="checkbox"
                  className="size-4 accent-accent"
                  checked={deltas === true}
                  onChange={(event) =>
                    void navigate({
                      search: (before) => ({ ...before, deltas: event.target.checked || undefined }),
                      replace: true,
                    })
                  }
                />
                pieces of text
              </label>
            )
          }
        >
          <div className="min-h-0 flex-1">
            {!isRead && !events.length && !error ? (
              <Loading what="events" />
            ) : (
              <>
                {only && listed.length === 0 && (
                  <p className="p-4 text-soft">None of its {COUNTED[only].name} has ended yet.</p>
                )}
                <EventList events={listed} shown={seq} onShow={show} />
              </>
            )}
          </div>
        </Card>
        <Card title="Inspector" className="flex flex-col lg:h-[38rem]">
          <div className="min-h-0 flex-1 overflow-y-auto">
            {shown ? (
              <Inspector key={shown.seq} event={shown} run={run.id} />
            ) : (
              <p className="p-6 text-center text-soft">Choose an event. Its address can be shared.</p>
            )}
          </div>
        </Card>
      </div>
    </Page>
  );
}

/** The event that a record or a fact names by the call it belongs to. */
function eventOf(events: readonly LogEvent[], call: string | undefined, step: number | undefined) {
  if (call) return events.find(({ type, data }) => type === "tool.called" && data.tool_call_id === call);
  if (!step) return undefined;
  const at = events.filter(({ type, data }) => type.startsWith("model.re") && data.step === step);
  return at.find(({ type }) => type === "model.responded") ?? at.at(-1);
}

/** What the run took: each figure opens the calls that it is the sum of. */
function Facts({ run }: { run: Run }) {
  const { usage } = run;
  const calls = { to: "/usage/calls", search: { run_id: run.id }, className: figureLink } as const;
  return (
    <span className="tabular-nums">
      <Link {...calls}>{counted(usage.model_calls, "model call")}</Link>
      {" · "}
      <Link to="/runs/$run" params={{ run: run.id }} search={{ only: "tools" }} className={figureLink}>
        {counted(usage.tool_calls, "tool call")}
      </Link>
      {" · "}
      <Link {...calls}>{counted(usage.input_tokens + usage.output_tokens, "token")}</Link>
      {" · "}
      <Link {...calls}>{cost(run.cost_micros)}</Link>
    </span>
  );
}

function Actions({ run, at }: { run: Run; at: number | undefined }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["run", run.id] });
  const stopping = useMutation({ mutationFn: () => cancelRun(run.id), onError, onSettled });
  const resuming = useMutation({ mutationFn: () => resumeRun(run.id, null), onError, onSettled });
  const saving = useMutation({ mutationFn: () => downloadRun(run.id), onError });
  const forking = useMutation({
    mutationFn: () => forkAt(run.session_id, at ?? 0),
    onSuccess: (made) => navigate({ to: "/chat/$session", params: { session: made.id } }),
    onError,
  });
  return (
    <>
      {isOpen(run) && (
        <Button look="danger" disabled={stopping.isPending} onClick={() => stopping.mutate()}>
          <Square aria-hidden /> Stop
        </Button>
      )}
      {run.status === "waiting" && run.waiting_for.includes("budget") && (
        <Button disabled={resuming.isPending} onClick={() => resuming.mutate()}>
          <Play aria-hidden /> Look again
        </Button>
      )}
      {run.kind === "agent" && (
        <>
          <Link to="/chat/$session" params={{ session: run.session_id }} className={buttonStyle()}>
            <MessageSquare aria-hidden /> Conversation
          </Link>
          <Button
            disabled={forking.isPending || at === undefined}
            title="A conversation that shares everything up to the chosen event"
            onClick={() => forking.mutate()}
          >
            <GitFork aria-hidden /> Fork {at !== undefined && `at ${at}`}
          </Button>
        </>
      )}
      <Button
        title="Copy the address of this view"
        onClick={() =>
          navigator.clipboard.writeText(location.href).then(
            () => toast.success("The address is copied."),
            () => toast.error("The browser does not allow copying here."),
          )
        }
      >
        <Link2 aria-hidden /> Link
      </Button>
      <Button disabled={saving.isPending} onClick={() => saving.mutate()}>
        <Download aria-hidden /> Export
      </Button>
      <CopyCurl path={`/v1/runs/${run.id}/events`} />
    </>
  );
}
