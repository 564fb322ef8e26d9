import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { RotateCcw } from "lucide-react";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { ago, bytes } from "@/lib/format";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { type Deployment, rollTo, type Version, versionsQuery } from "./api";

/** What the program was, with what each change changed; any of them can be gone back to. */
export function Versions({ deployment }: { deployment: Deployment }) {
  const versions = useQuery(versionsQuery(deployment.id, deployment.version));
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: ["deployments", deployment.id] });
  const rolling = useMutation({
    mutationFn: (number: number) => rollTo(deployment.id, number),
    onSuccess: (_, number) =>
      reversible(`It goes to version ${number}.`, async () => {
        await rollTo(deployment.id, deployment.version);
        await again();
      }),
    onError: (error) => toast.error(error.message),
    onSettled: again,
  });
  return (
    <Shown of={versions} what="versions">
      {({ data }) => (
        <ul className="divide-y divide-line">
          {data.map((version, index) => (
            <li key={version.number} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5 text-sm">
              <span className="font-medium">version {version.number}</span>
              {version.is_current && <span className="text-good">current</span>}
              <span className="text-soft">{ago(version.created_at)}</span>
              {version.size_bytes !== null && <span className="text-soft">{bytes(version.size_bytes)}</span>}
              <span className="min-w-0 flex-1" />
              {!version.is_current && (
                <Button
                  size="small"
                  disabled={rolling.isPending}
                  onClick={() => rolling.mutate(version.number)}
                  aria-label={`Go back to version ${version.number}`}
                >
                  <RotateCcw aria-hidden /> Go back to it
                </Button>
              )}
              <span className="w-full break-all text-soft">{changesOf(version, data[index + 1])}</span>
            </li>
          ))}
        </ul>
      )}
    </Shown>
  );
}

const SHOWN = [
  "runtime",
  "binary_url",
  "cpu",
  "memory",
  "command",
  "port",
  "health_path",
  "environment_names",
] as const;

/** What differs from the version before it. */
function changesOf(version: Version, before: Version | undefined): string {
  if (!before) return `${version.runtime} · ${version.binary_url} · ${version.cpu} cores · ${version.memory}`;
  const changed = SHOWN.filter((name) => String(version[name]) !== String(before[name]));
  if (!changed.length) return "the values of variables, or the same program again";
  return changed.map((name) => `${name.replaceAll("_", " ")}: ${String(version[name]) || "none"}`).join(" · ");
}
