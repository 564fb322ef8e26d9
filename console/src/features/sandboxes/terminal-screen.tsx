import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal as Xterm } from "@xterm/xterm";
import { useEffect, useImperativeHandle, useRef } from "react";
import { anotherFor, authorization, serverUrl } from "@/lib/api";
import { type LinkState, TerminalLink } from "./terminal-link";

export interface Keys {
  type(text: string): void;
  focus(): void;
}

interface Props {
  sandbox: string;
  terminal: string;
  isRead: boolean;
  keys: React.Ref<Keys>;
  onState: (state: LinkState, note: string) => void;
  onLeave: () => void;
}

const LEAVES = (event: KeyboardEvent) => event.shiftKey && event.key === "Escape";
const COPIES = (event: KeyboardEvent) => event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "c";

/** One terminal, drawn by xterm. Everything it is given is drawn as text: no link in it can be followed. */
export default function TerminalScreen({ sandbox, terminal, isRead, keys, onState, onLeave }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<{ xterm: Xterm; link: TerminalLink } | null>(null);
  const told = useRef({ onState, onLeave });
  told.current = { onState, onLeave };

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const xterm = new Xterm({
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      fontFamily: getComputedStyle(element).fontFamily,
      fontSize: 13,
      linkHandler: { activate: () => {} },
      minimumContrastRatio: 4.5,
      scrollback: 5000,
      theme: themeOf(element),
    });
    const fit = new FitAddon();
    xterm.loadAddon(fit);
    xterm.open(element);
    const link = new TerminalLink(socketOf(sandbox, terminal), bearer, {
      output: (data, done) => xterm.write(data, done),
      state: (state, note) => told.current.onState(state, note),
      gap: () => xterm.write("\r\n\x1b[2m(some output is not kept)\x1b[0m\r\n"),
    });
    screen.current = { xterm, link };
    xterm.onData((text) => link.type(text));
    xterm.onResize(({ cols, rows }) => link.resize(cols, rows));
    xterm.attachCustomKeyEventHandler((event) => {
      if (LEAVES(event)) {
        if (event.type === "keydown") told.current.onLeave();
        return false;
      }
      if (!COPIES(event)) return true;
      event.preventDefault(); // the browser would open its own tools
      if (event.type === "keydown") void navigator.clipboard.writeText(xterm.getSelection()).catch(() => {});
      return false;
    });
    const fitted = new ResizeObserver(() => requestAnimationFrame(() => element.offsetWidth && fit.fit()));
    fitted.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const recolour = () => {
      xterm.options.theme = themeOf(element);
    };
    const themed = new MutationObserver(recolour);
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    dark.addEventListener("change", recolour);
    fit.fit();
    link.resize(xterm.cols, xterm.rows);
    link.open();
    xterm.focus();
    return () => {
      dark.removeEventListener("change", recolour);
      themed.disconnect();
      fitted.disconnect();
      link.close();
      xterm.dispose();
      screen.current = null;
    };
  }, [sandbox, terminal]);

  useEffect(() => {
    if (screen.current) screen.current.xterm.options.screenReaderMode = isRead;
  }, [isRead]);

  useImperativeHandle(keys, () => ({
    type: (text) => screen.current?.link.type(text),
    focus: () => screen.current?.xterm.focus(),
  }));

  return <div ref={place} className="h-full min-h-0 overflow-hidden bg-panel px-2 pt-2 font-mono" />;
}

const socketOf = (sandbox: string, terminal: string) =>
  `${serverUrl().replace(/^http/, "ws")}/v1/sandboxes/${sandbox}/terminals/${terminal}/socket`;

async function bearer(refused: string): Promise<string> {
  if (refused) await anotherFor(`Bearer ${refused}`);
  return ((await authorization()).Authorization ?? "").replace(/^Bearer /, "");
}

function themeOf(element: HTMLElement): ITheme {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    background: colour("panel"),
    foreground: colour("ink"),
    cursor: colour("accent"),
    cursorAccent: colour("panel"),
    selectionBackground: colour("accent-soft"),
  };
}
