import { cn } from "@/lib/cn";
import { lineDiff } from "@/lib/diff";

const LOOKS = { same: "text-soft", gone: "bg-bad-soft", new: "bg-accent-soft" };
const MARKS = { same: " ", gone: "−", new: "+" };
const WORDS = { same: "", gone: "removed: ", new: "added: " };

/** Two texts as one, with what went and what came. */
export function Diff({ name, before, after }: { name: string; before: string; after: string }) {
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={name}
      className="max-h-72 overflow-auto rounded-lg border border-line font-mono text-xs"
    >
      {lineDiff(before, after).map((line, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line has no other name than its place
        <p key={index} className={cn("px-2 py-0.5 break-words whitespace-pre-wrap", LOOKS[line.kind])}>
          <span aria-hidden>{MARKS[line.kind]} </span>
          <span className="sr-only">{WORDS[line.kind]}</span>
          {line.text}
        </p>
      ))}
    </section>
  );
}
