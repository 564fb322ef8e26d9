/** One server-sent event: `id` only where it is stored. */
export interface Frame {
  id: string;
  event: string;
  data: string;
}

/** Cuts a stream of text into frames; comments and half frames stay inside. */
export class FrameReader {
  private rest = "";

  push(text: string): Frame[] {
    this.rest = (this.rest + text).replaceAll("\r\n", "\n");
    const found: Frame[] = [];
    for (let end = this.rest.indexOf("\n\n"); end >= 0; end = this.rest.indexOf("\n\n")) {
      const frame = parse(this.rest.slice(0, end));
      this.rest = this.rest.slice(end + 2);
      if (frame) found.push(frame);
    }
    return found;
  }
}

function parse(text: string): Frame | null {
  const frame: Frame = { id: "", event: "message", data: "" };
  for (const line of text.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === "id" || name === "event") frame[name] = value ?? "";
    if (name === "data") frame.data += (frame.data ? "\n" : "") + value;
  }
  return frame.data ? frame : null;
}
