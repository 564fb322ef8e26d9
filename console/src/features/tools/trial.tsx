import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { Artifact } from "@/components/artifact";
import { Code } from "@/components/code";
import { CopyCurl } from "@/components/copy-curl";
import { linkStyle } from "@/components/facts";
import { Failure, Loading } from "@/components/states";
import { Status } from "@/components/status";
import { duration, pretty } from "@/lib/format";
import type { File } from "@/lib/look";
import { beginTrial, trialQuery } from "./api";
import { ArgumentsForm } from "./arguments-form";

interface Props {
  tool: string;
  schema: Record<string, unknown>;
  approval: (id: string, given: unknown) => ReactNode;
}

/** Calls a tool with arguments that a person writes. It is a run like any other, so it is kept and can be looked at. */
export function Trial({ tool, schema, approval }: Props) {
  const [run, setRun] = useState<string | null>(null);
  const beginning = useMutation({
    mutationFn: (given: Record<string, unknown>) => beginTrial(tool, given),
    onSuccess: (made) => setRun(made.id),
  });
  return (
    <div className="space-y-4 p-4">
      <ArgumentsForm
        schema={schema}
        isBusy={beginning.isPending}
        onCall={(given) => beginning.mutate(given)}
        actions={(given) => <CopyCurl method="POST" path="/v1/runs" body={{ tool, arguments: given }} />}
      />
      {beginning.error && <Failure error={beginning.error} />}
      {run && <Result key={run} run={run} approval={approval} />}
    </div>
  );
}

function Result({ run: id, approval }: { run: string } & Pick<Props, "approval">) {
  const trial = useQuery(trialQuery(id));
  if (trial.error) return <Failure error={trial.error} onRetry={() => void trial.refetch()} />;
  if (!trial.data) return <Loading what="the result" />;
  const { run, events } = trial.data;
  const returned = events.findLast((event) => event.type === "tool.returned");
  const asked = events.findLast((event) => event.type === "approval.requested");
  const files: File[] = returned?.data.artifacts ?? [];
  return (
    <section aria-label="Result" aria-live="polite" className="space-y-3 border-t border-line pt-4">
      <p className="flex flex-wrap items-center gap-3 text-sm">
        <Status value={returned?.data.status ?? run.status} />
        {returned && <span className="text-soft tabular-nums">{duration(returned.data.duration_ms)}</span>}
        <Link
          to="/runs/$run"
          params={{ run: id }}
          search={returned ? { event: returned.seq } : {}}
          className={linkStyle}
        >
          In the run
        </Link>
      </p>
      {run.status === "waiting" && asked && approval(asked.data.approval_id, asked.data.arguments)}
      {returned && <Code name="Result" text={pretty(returned.data.text)} className="max-h-96" />}
      {!returned && run.error && <p className="rounded-lg bg-bad-soft px-3 py-2 text-bad">{run.error.message}</p>}
      {files.map((file) => (
        <Artifact key={file.id} run={id} file={file} />
      ))}
    </section>
  );
}
