// What a session's log holds, as far as the console reads it. Events of kinds it does not know are kept and shown raw.
export interface Delta {
  step: number;
  attempt: number;
  offset: number;
  text: string;
}

export interface Citation {
  uri: string;
  document_id: string;
  document_name: string;
  chunk: number;
  page: number | null;
  quote: string;
}

// biome-ignore lint/suspicious/noExplicitAny: each type of event has data of its own shape; readers pick by `type`
export type Data = any;

/** A stored event: final, numbered. */
export interface LogEvent {
  seq: number;
  type: string;
  at: string;
  run_id: string | null;
  data: Data;
}

/** Text that a model is still writing; nothing depends on it. */
export interface Preview {
  type: "text.preview" | "thinking.preview";
  run_id: string;
  data: Delta;
  seq?: undefined;
}

export type LogItem = LogEvent | Preview;

/** Base, document and chunk of a `kb://base/document#chunk` address. */
export function placeOf(uri: string): { base: string; document: string; chunk: number } | null {
  const [, base, document, chunk] = /^kb:\/\/([^/]+)\/([^#]+)#(\d+)$/.exec(uri) ?? [];
  return base && document ? { base, document, chunk: Number(chunk) } : null;
}
