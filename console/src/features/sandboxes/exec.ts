import { errorOf, serverUrl, signedFetch } from "@/lib/api";
import { FrameReader } from "@/lib/frames";
import { type ExecFrame, frameOf } from "./exec-frames";

export interface Command {
  command: string;
  cwd: string;
  timeout_seconds?: number;
}

/** Runs a command; ends when it has. Aborting ends the command too, because nobody listens any more. */
export async function exec(
  sandbox: string,
  command: Command,
  onFrame: (frame: ExecFrame) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await signedFetch(`${serverUrl()}/v1/sandboxes/${sandbox}/exec`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ ...command, stream: true }),
    signal,
  });
  if (!response.ok || !response.body) throw await errorOf(response);
  const frames = new FrameReader();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    for (const found of frames.push(part.value)) {
      const frame = frameOf(found.event, found.data);
      if (frame) onFrame(frame);
    }
  }
}
