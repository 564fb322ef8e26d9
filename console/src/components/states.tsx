import { CircleAlert, LoaderCircle } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { ApiError } from "@/lib/api";
import { Button } from "./ui/button";

/** Says what is waited for, and for how long once that is worth saying. */
export function Loading({ what }: { what: string }) {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setSeconds((before) => before + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <p role="status" className="flex min-h-24 items-center justify-center gap-2 p-6 text-soft">
      <LoaderCircle className="size-4 animate-spin" aria-hidden />
      Loading {what}
      {seconds >= 2 && ` · ${seconds} s`}
    </p>
  );
}

const TITLES: Record<number, string> = { 0: "Offline", 403: "Not allowed", 404: "Not found" };

export function Failure({ error, title: given, onRetry }: { error: Error; title?: string; onRetry?: () => void }) {
  const known = error instanceof ApiError ? error : null;
  const title = given ?? (known && TITLES[known.status]) ?? "That did not work";
  return (
    <div role="alert" className="m-4 flex flex-wrap items-start gap-3 rounded-xl border border-line bg-bad-soft p-4">
      <CircleAlert className="mt-0.5 size-5 shrink-0 text-bad" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{title}</p>
        <p className="break-words">{error.message}</p>
        {known?.requestId && <p className="mt-1 font-mono text-sm text-soft">request {known.requestId}</p>}
      </div>
      {onRetry && known?.status !== 403 && <Button onClick={onRetry}>Try again</Button>}
    </div>
  );
}

export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 rounded-xl border border-dashed border-line px-6 py-12 text-center">
      <p className="font-medium">{title}</p>
      {children && <p className="max-w-md text-soft">{children}</p>}
      {action && <div className="mt-2">{action}</div>}
    </div>
  );
}

export interface Readable<T> {
  data: T | undefined;
  error: Error | null;
  refetch: () => unknown;
}

/** A query's content, or its loading and failing states. What was loaded stays visible when reloading fails. */
export function Shown<T>({ of, what, children }: { of: Readable<T>; what: string; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return children(of.data);
  if (of.error) return <Failure error={of.error} onRetry={() => void of.refetch()} />;
  return <Loading what={what} />;
}
