import { useCallback, useEffect, useRef, useState } from "react";
import { sendSignal } from "./api";
import { exec } from "./exec";
import type { ExecFrame } from "./exec-frames";
import { BLANK, line, type Screen, shown } from "./screen";

const INTERRUPT = 2;
const LONGEST_SECONDS = 600;

/** A terminal of a sandbox: each line is a command of its own, in the folder where `cd` has led. */
export function useTerminal(sandbox: string) {
  const [screen, setScreen] = useState<Screen>(BLANK);
  const [cwd, setCwd] = useState("/workspace");
  const [isRunning, setIsRunning] = useState(false);
  const running = useRef<{ pid: number | null; stop: AbortController } | null>(null);

  useEffect(() => () => running.current?.stop.abort(), []);

  const run = useCallback(
    async (command: string) => {
      const stop = new AbortController();
      running.current = { pid: null, stop };
      setIsRunning(true);
      setScreen((before) => line(before, "in", command));
      const frames = paced((batch) => setScreen((before) => batch.reduce(shown, before)));
      const moved = /^cd(\s+[^;&|]*)?$/.test(command.trim());
      let where = "";
      try {
        const asked = { command: moved ? `${command} && pwd` : command, cwd, timeout_seconds: LONGEST_SECONDS };
        await exec(
          sandbox,
          asked,
          (frame) => {
            if (frame.kind === "start" && running.current) running.current.pid = frame.pid;
            if (moved && frame.kind === "stdout") where += frame.text;
            else frames.push(frame);
          },
          stop.signal,
        );
        const folder = where.trim().split("\n").at(-1);
        if (folder?.startsWith("/")) setCwd(folder);
      } catch (error) {
        const told = stop.signal.aborted ? "ended" : error instanceof Error ? error.message : "That did not work.";
        frames.flush();
        setScreen((before) => line(before, "note", told));
      } finally {
        frames.flush();
        running.current = null;
        setIsRunning(false);
      }
    },
    [sandbox, cwd],
  );

  const interrupt = useCallback(() => {
    const { pid, stop } = running.current ?? {};
    if (!pid) return stop?.abort();
    sendSignal(sandbox, pid, INTERRUPT).catch(() => stop?.abort()); // a command that is gone needs no signal
  }, [sandbox]);

  const kill = useCallback(() => running.current?.stop.abort(), []);
  const clear = useCallback(() => setScreen(BLANK), []);
  return { screen, cwd, isRunning, run, interrupt, kill, clear };
}

/** Once per animation frame, however fast output comes. A hidden tab has no frames, so a timer stands in. */
function paced(deliver: (frames: ExecFrame[]) => void) {
  let waiting: ExecFrame[] = [];
  const flush = () => {
    if (!waiting.length) return;
    const batch = waiting;
    waiting = [];
    deliver(batch);
  };
  return {
    flush,
    push(frame: ExecFrame) {
      waiting.push(frame);
      if (waiting.length > 1) return;
      if (document.hidden) setTimeout(flush, 100);
      else requestAnimationFrame(flush);
    },
  };
}
