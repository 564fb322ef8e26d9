import { cn } from "@/lib/cn";

interface Props {
  name: string;
  text: string;
  className?: string;
  /** Whether there are many of its name on a page, so that it is no landmark to go to. */
  isRepeated?: boolean;
}

/** Text as it is, in a box of limited height that the keyboard can scroll. */
export function Code({ name, text, className, isRepeated }: Props) {
  return (
    <section
      role={isRepeated ? "group" : undefined}
      tabIndex={0} // what scrolls must be reachable by keyboard
      aria-label={name}
      className={cn("max-h-72 overflow-auto rounded-lg bg-raised p-3", className)}
    >
      <pre className="font-mono text-xs break-words whitespace-pre-wrap">{text}</pre>
    </section>
  );
}
