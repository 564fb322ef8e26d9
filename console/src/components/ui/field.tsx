import { type ComponentProps, type ReactNode, useId } from "react";
import { cn } from "@/lib/cn";

const box =
  "w-full rounded-lg border border-line bg-panel px-3 py-2 text-ink aria-invalid:border-bad disabled:opacity-60 min-h-9";
/** As high as a button beside it. */
const line = "h-9 py-1";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | null;
  children: (given: { id: string; "aria-describedby"?: string; "aria-invalid"?: boolean }) => ReactNode;
}

export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const told = error || hint;
  return (
    <div className="space-y-1.5">
      <label htmlFor={id} className="block text-sm font-medium">
        {label}
      </label>
      {children({ id, "aria-describedby": told ? `${id}-told` : undefined, "aria-invalid": error ? true : undefined })}
      {told && (
        <p
          id={`${id}-told`}
          role={error ? "alert" : undefined}
          className={cn("text-sm", error ? "text-bad" : "text-soft")}
        >
          {told}
        </p>
      )}
    </div>
  );
}

export const Input = ({ className, ...rest }: ComponentProps<"input">) => (
  <input className={cn(box, line, className)} {...rest} />
);

export const Select = ({ className, ...rest }: ComponentProps<"select">) => (
  <select className={cn(box, line, "pr-8", className)} {...rest} />
);

export const TextArea = ({ className, ...rest }: ComponentProps<"textarea">) => (
  <textarea className={cn(box, "leading-relaxed", className)} {...rest} />
);

export function Check({ label, hint, ...rest }: ComponentProps<"input"> & { label: string; hint?: string }) {
  return (
    <label className="flex items-start gap-2.5 rounded-md px-1.5 py-1 hover:bg-raised">
      <input type="checkbox" className="mt-1 size-4 shrink-0 accent-accent" {...rest} />
      <span className="min-w-0">
        <span className="text-sm">{label}</span>
        {hint && <span className="block truncate text-sm text-soft">{hint}</span>}
      </span>
    </label>
  );
}
