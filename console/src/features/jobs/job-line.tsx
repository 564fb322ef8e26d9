import type { ReactNode } from "react";
import { Status } from "@/components/status";
import { ago } from "@/lib/format";
import type { Job } from "./api";

/** A job in one line: what it is, how far it is. */
export function JobLine({ job, depth = 0, title }: { job: Job; depth?: number; title: ReactNode }) {
  return (
    <div
      className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5"
      style={{ paddingLeft: `${1 + depth * 1.5}rem` }}
    >
      <span className="min-w-0 flex-1 basis-48">
        <span className="block truncate font-medium">{title}</span>
        <span className="block truncate text-sm text-soft">
          {job.kind}
          {job.current_step && ` · ${job.current_step}`}
          {job.total_steps > 1 && ` · ${job.completed_steps} of ${job.total_steps}`} · {ago(job.updated_at)}
        </span>
        {job.error && <span className="block text-sm break-words text-bad">{job.error}</span>}
      </span>
      {job.status === "in_progress" && (
        <progress
          className="h-2 w-24 accent-accent"
          max={100}
          value={job.progress}
          aria-label={`${job.title}: ${Math.round(job.progress)} %`}
        />
      )}
      <Status value={job.status} className={job.status === "in_progress" ? "bg-accent-soft text-accent" : ""} />
    </div>
  );
}
