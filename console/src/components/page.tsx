import { type ReactNode, useRef } from "react";
import { cn } from "@/lib/cn";
import { useTitleOf } from "@/lib/title";

interface Props {
  title: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, lead, actions, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useTitleOf(heading);
  return (
    <div className="mx-auto w-full max-w-6xl px-4 py-6 md:px-8 md:py-8">
      <header className="mb-6 flex flex-wrap items-center gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1 basis-60">
          <h1 ref={heading} className="text-2xl font-semibold tracking-tight wrap-anywhere">
            {title}
          </h1>
          {lead && <div className="mt-0.5 text-soft wrap-anywhere">{lead}</div>}
        </div>
        {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

export function Card({
  id,
  title,
  actions,
  className,
  children,
}: Omit<Props, "lead" | "title"> & { id?: string; title?: string; className?: string }) {
  return (
    <section id={id} className={cn("min-w-0 scroll-mt-4 rounded-xl border border-line bg-panel", className)}>
      {title && (
        <header className="flex min-h-12 items-center justify-between gap-2 border-b border-line px-4 py-1.5">
          <h2 className="font-semibold">{title}</h2>
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}
