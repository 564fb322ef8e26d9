// Reads a session's log into what a person sees. Previews fill in until the stored event comes, and never contradict it.
import { count, counted, money } from "@/lib/format";
import type { Citation, Data, Delta, LogEvent, LogItem, Preview } from "@/lib/log";

export interface TextBlock {
  kind: "text" | "thinking";
  key: string;
  step: number;
  attempt: number;
  text: string;
  /** Length in characters as the server counts them, which is not always JavaScript's. */
  points: number;
  isFinal: boolean;
}

export interface ToolBlock {
  kind: "tool";
  key: string;
  seq: number;
  tool: string;
  arguments: unknown;
  status: "waiting" | "running" | "ok" | "error" | "unknown" | "denied";
  result: string;
  durationMs: number | null;
  approval: { id: string; reason: string; decision: string | null } | null;
  childRun: string | null;
}

export interface NoteBlock {
  kind: "note";
  key: string;
  text: string;
  /** The budget that has no room, where one may raise it. */
  budget?: string;
}

/** What the person said while the run was at work: it stands where the run had got to, before what answers it. */
export interface SaidBlock {
  kind: "said";
  key: string;
  text: string;
}

export type Block = TextBlock | ToolBlock | NoteBlock | SaidBlock;

export interface UserItem {
  kind: "user";
  key: string;
  seq: number;
  text: string;
}

export interface TurnItem {
  kind: "turn";
  key: string;
  runId: string;
  seq: number;
  status: "queued" | "running" | "waiting" | "completed" | "failed" | "cancelled";
  blocks: Block[];
  citations: Citation[];
  artifacts: { id: string; name: string; media_type: string; size_bytes: number }[];
  error: string;
  model: string;
  usage: { input_tokens: number; output_tokens: number } | null;
  costMicros: number | null;
  startedAt: string;
  endedAt: string | null;
}

export type Item = UserItem | TurnItem;

export interface Transcript {
  items: Item[];
  lastSeq: number;
}

export const EMPTY: Transcript = { items: [], lastSeq: 0 };

/** The transcript with these items read as well. What did not change stays the same object. */
export function read(before: Transcript, items: readonly LogItem[]): Transcript {
  let { lastSeq } = before;
  const list = [...before.items];
  const places = new Map(list.map((item, index) => [item.key, index]));
  const put = (item: Item) => {
    const place = places.get(item.key);
    if (place === undefined) places.set(item.key, list.push(item) - 1);
    else list[place] = item;
  };
  const remove = (key: string) => {
    const place = places.get(key);
    if (place === undefined) return;
    list.splice(place, 1);
    places.clear();
    list.forEach((item, index) => {
      places.set(item.key, index);
    });
  };
  for (const item of items) {
    if (item.seq === undefined) {
      const turn = turnOf(list[places.get(item.run_id) ?? -1]);
      if (turn && !turn.endedAt) put(preview(turn, item));
      continue;
    }
    if (item.seq <= lastSeq) continue; // a reconnected stream may begin before what is known
    lastSeq = item.seq;
    if (item.type === "message.received") {
      const at = turnOf(list[places.get(item.run_id ?? "") ?? -1]);
      const key = `m${item.seq}`;
      if (item.data.role === "user" && at && !at.endedAt)
        put(withBlock(at, { kind: "said", key, text: item.data.content }));
      else if (item.data.role === "user") put({ kind: "user", key, seq: item.seq, text: item.data.content });
      else if (item.data.role === "assistant") put(brought(item));
    } else if (item.type === "message.edited") {
      const key = `m${item.data.seq}`;
      const said = list[places.get(key) ?? -1];
      const at = holder(list, key);
      if (item.data.content === null) continue;
      if (said?.kind === "user") put({ ...said, text: item.data.content });
      else if (at) put(withBlock(at, { kind: "said", key, text: item.data.content }));
    } else if (item.type === "message.deleted") {
      const key = `m${item.data.seq}`;
      const at = holder(list, key);
      remove(key);
      if (at) put({ ...at, blocks: at.blocks.filter((block) => block.key !== key) });
    } else if (item.run_id && item.type !== "message.received") {
      const turn = turnOf(list[places.get(item.run_id) ?? -1]) ?? (item.type === "run.created" ? begun(item) : null);
      if (turn) put(stored(turn, item));
    }
  }
  return { items: list, lastSeq };
}

/** The turn in the middle of which the message was said. */
const holder = (list: Item[], key: string) =>
  list.find((item): item is TurnItem => item.kind === "turn" && item.blocks.some((block) => block.key === key));

const turnOf = (item: Item | undefined) => (item?.kind === "turn" ? item : null);

function begun(event: LogEvent): TurnItem {
  return {
    kind: "turn",
    key: event.run_id ?? "",
    runId: event.run_id ?? "",
    seq: event.seq,
    status: "queued",
    blocks: [],
    citations: [],
    artifacts: [],
    error: "",
    model: "",
    usage: null,
    costMicros: null,
    startedAt: event.at,
    endedAt: null,
  };
}

/** An answer that a client brought along in its history. */
function brought(event: LogEvent): TurnItem {
  const block = textBlock("text", 0, 1, event.data.content);
  return { ...begun(event), key: `m${event.seq}`, status: "completed", endedAt: event.at, blocks: [block] };
}

function preview(turn: TurnItem, item: Preview): TurnItem {
  return delta(turn, item.type === "text.preview" ? "text" : "thinking", item.data);
}

function stored(turn: TurnItem, { type, data, seq, at }: LogEvent): TurnItem {
  switch (type) {
    case "run.started":
      return { ...turn, status: "running" };
    case "text.delta":
    case "thinking.delta":
      return delta(turn, type === "text.delta" ? "text" : "thinking", data);
    case "model.responded":
      return responded(turn, data);
    case "tool.called":
      return tool(turn, data.tool_call_id, (block) => ({ ...block, ...calledWith(data), seq, status: "running" }));
    case "tool.returned":
      return tool(turn, data.tool_call_id, (block) => ({
        ...block,
        tool: data.tool,
        status: data.status,
        result: data.text,
        durationMs: data.duration_ms,
      }));
    case "approval.requested": {
      const approval = { id: data.approval_id, reason: data.reason, decision: null };
      return tool(turn, data.tool_call_id, (block) => ({
        ...block,
        ...calledWith(data),
        seq,
        status: "waiting",
        approval,
      }));
    }
    case "approval.decided":
      return tool(turn, data.tool_call_id, (block) => ({
        ...block,
        status: data.decision === "approved" ? "running" : "denied",
        arguments: data.arguments ?? block.arguments,
        approval: block.approval && { ...block.approval, decision: data.decision },
      }));
    case "child.started":
      return tool(turn, data.tool_call_id, (block) => ({ ...block, tool: data.tool, childRun: data.run_id }));
    case "artifact.created":
      return { ...turn, artifacts: [...turn.artifacts, data] };
    case "context.compacted":
      return note(
        turn,
        seq,
        `Earlier messages became a summary (${data.tokens_before} → ${data.tokens_after} tokens).`,
      );
    case "budget.exceeded":
      return note(turn, seq, shortOf(data), data.budget_id ?? undefined);
    case "run.waiting":
      return { ...turn, status: "waiting" };
    case "run.completed":
      return completed(turn, data, at);
    case "run.failed":
      return { ...ended(turn, "failed", at), error: data.error.message };
    case "run.cancelled":
      return ended(turn, "cancelled", at);
    default:
      return turn;
  }
}

const calledWith = (data: Data) => ({ tool: data.tool as string, arguments: data.arguments as unknown });

function ended(turn: TurnItem, status: TurnItem["status"], at: string): TurnItem {
  return {
    ...turn,
    status,
    endedAt: at,
    blocks: turn.blocks.map((block) => (isText(block) ? { ...block, isFinal: true } : block)),
  };
}

function completed(turn: TurnItem, data: Data, at: string): TurnItem {
  const done = { ...ended(turn, "completed", at), usage: data.usage ?? null, costMicros: data.cost_micros ?? null };
  if (!data.message) return done;
  const place = done.blocks.findLastIndex((block) => block.kind === "text");
  const said = done.blocks[place];
  const blocks = [...done.blocks];
  if (said && isText(said))
    blocks[place] = { ...said, text: data.message.content, points: length(data.message.content) };
  else if (data.message.content) blocks.push(textBlock("text", 0, 1, data.message.content));
  return { ...done, blocks, citations: data.message.citations };
}

function responded(turn: TurnItem, data: Data): TurnItem {
  let next: TurnItem = { ...turn, model: data.model };
  for (const kind of ["thinking", "text"] as const) {
    const key = `${kind}${data.step}`;
    const known = next.blocks.find((block) => block.key === key);
    const attempt = known && isText(known) ? known.attempt : 1;
    if (data[kind]) next = withBlock(next, textBlock(kind, data.step, attempt, data[kind]));
    else next = { ...next, blocks: next.blocks.filter((block) => block.key !== key) };
  }
  return next;
}

function delta(turn: TurnItem, kind: "text" | "thinking", piece: Delta): TurnItem {
  const known = turn.blocks.find((block) => block.key === `${kind}${piece.step}`);
  const before = known && isText(known) ? known : textBlock(kind, piece.step, piece.attempt, "", false);
  if (before.isFinal || piece.attempt < before.attempt) return turn;
  const ground = piece.attempt > before.attempt ? { ...before, text: "", points: 0 } : before;
  if (piece.offset > ground.points) return turn; // a preview was missed; the stored delta brings all of it
  const text = spliced(ground.text, ground.points, piece.offset, piece.text);
  return withBlock(turn, { ...ground, attempt: piece.attempt, text, points: length(text) });
}

/** The text with a piece put at its place, over what a preview may have put there. */
function spliced(text: string, points: number, offset: number, piece: string): string {
  if (offset === points) return text + piece;
  if (text.length === points) return text.slice(0, offset) + piece + text.slice(offset + length(piece));
  const whole = Array.from(text);
  return whole.slice(0, offset).join("") + piece + whole.slice(offset + length(piece)).join("");
}

const length = (text: string) => {
  let pairs = 0;
  for (let place = 0; place < text.length; place++) if ((text.charCodeAt(place) & 0xfc00) === 0xd800) pairs++;
  return text.length - pairs;
};

function textBlock(kind: "text" | "thinking", step: number, attempt: number, text: string, isFinal = true): TextBlock {
  return { kind, key: `${kind}${step}`, step, attempt, text, points: length(text), isFinal };
}

const isText = (block: Block): block is TextBlock => block.kind === "text" || block.kind === "thinking";

function tool(turn: TurnItem, id: string, change: (block: ToolBlock) => ToolBlock): TurnItem {
  const known = turn.blocks.find((block) => block.key === id);
  const before: ToolBlock =
    known?.kind === "tool"
      ? known
      : {
          kind: "tool",
          key: id,
          seq: 0,
          tool: "",
          arguments: null,
          status: "running",
          result: "",
          durationMs: null,
          approval: null,
          childRun: null,
        };
  return withBlock(turn, change(before));
}

const note = (turn: TurnItem, seq: number, text: string, budget?: string) =>
  withBlock(turn, { kind: "note", key: `n${seq}`, text, ...(budget && { budget }) });

/** Why a run waits for room, in amounts as people read them. */
function shortOf({ scope, unit, limit, spent, needed }: Data): string {
  const bare = (amount: number) => (unit === "micros" ? money(amount) : count(amount));
  const whole = unit === "micros" ? money(limit) : counted(limit, unit.replace(/s$/, ""));
  return `The ${scope} has used ${bare(spent)} of ${whole}, and the next call may take ${bare(needed)} more. The run waits for room.`;
}

function withBlock(turn: TurnItem, block: Block): TurnItem {
  const place = turn.blocks.findIndex((known) => known.key === block.key);
  if (place < 0) return { ...turn, blocks: [...turn.blocks, block] };
  const blocks = [...turn.blocks];
  blocks[place] = block;
  return { ...turn, blocks };
}
