import { ApiError } from "@/lib/api";

/** Why a form was not taken, in the server's words. */
export function Problem({ of }: { of: Error | null }) {
  if (!of) return null;
  const field = of instanceof ApiError ? of.field : "";
  return (
    <p role="alert" className="rounded-lg bg-bad-soft px-3 py-2 text-sm break-words text-bad">
      {of.message}
      {field && !of.message.includes(field) && ` (${field})`}
    </p>
  );
}
