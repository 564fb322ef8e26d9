import { cn } from "@/lib/cn";

/** Text as it is, in a box of limited height that the keyboard can scroll. */
export function Code({ name, text, className }: { name: string; text: string; className?: string }) {
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={name}
      className={cn("max-h-72 overflow-auto rounded-lg bg-raised p-3", className)}
    >
      <pre className="font-mono text-xs break-words whitespace-pre-wrap">{text}</pre>
    </section>
  );
}
