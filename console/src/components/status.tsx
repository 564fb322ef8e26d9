import { cn } from "@/lib/cn";

const LOOKS: Record<string, string> = {
  running: "text-accent bg-accent-soft",
  queued: "text-soft bg-raised",
  deploying: "text-accent bg-accent-soft",
  starting: "text-accent bg-accent-soft",
  unhealthy: "text-warn bg-warn-soft",
  backoff: "text-warn bg-warn-soft",
  processing: "text-accent bg-accent-soft",
  waiting: "text-warn bg-warn-soft",
  pending: "text-warn bg-warn-soft",
  failed: "text-bad bg-bad-soft",
  error: "text-bad bg-bad-soft",
  denied: "text-bad bg-bad-soft",
  completed: "text-good bg-raised",
  ready: "text-good bg-raised",
  approved: "text-good bg-raised",
  ok: "text-good bg-raised",
};

/** A state in its own word; colour only adds to it. */
export function Status({ value, className }: { value: string; className?: string }) {
  return (
    <span
      className={cn(
        "inline-flex h-6 shrink-0 items-center gap-1.5 rounded-full px-2.5 text-xs font-medium",
        LOOKS[value] ?? "bg-raised text-soft",
        className,
      )}
    >
      <span className={cn("size-1.5 rounded-full bg-current", value === "running" && "animate-pulse")} aria-hidden />
      {value}
    </span>
  );
}
