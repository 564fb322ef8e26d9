import { useMutation } from "@tanstack/react-query";
import { ExternalLink } from "lucide-react";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Failure } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { moment } from "@/lib/format";
import { safeUrl } from "@/lib/prose";
import { makePreview, type Preview } from "./api";

/** Addresses that show what listens inside. Whoever has one sees the port until it ends. */
export function Ports({ sandbox }: { sandbox: string }) {
  const [port, setPort] = useState("8000");
  const [minutes, setMinutes] = useState("60");
  const [made, setMade] = useState<Preview[]>([]);
  const making = useMutation({
    mutationFn: () => makePreview(sandbox, Number(port), Math.round(Number(minutes) * 60)),
    onSuccess: (preview) => setMade((before) => [preview, ...before]),
  });
  return (
    <div className="space-y-4 p-4">
      <p className="text-soft">
        Start something that listens on a port, such as{" "}
        <code className="font-mono">python3 -m http.server 8000 &amp;</code>, then make an address for it. Everyone who
        has the address can open it until it ends.
      </p>
      <form
        className="flex flex-wrap items-end gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          making.mutate();
        }}
      >
        <div className="w-28">
          <Field label="Port">
            {(given) => (
              <Input
                {...given}
                type="number"
                min={1}
                max={65535}
                required
                value={port}
                onChange={(event) => setPort(event.target.value)}
              />
            )}
          </Field>
        </div>
        <div className="w-28">
          <Field label="Minutes">
            {(given) => (
              <Input
                {...given}
                type="number"
                min={1}
                required
                value={minutes}
                onChange={(event) => setMinutes(event.target.value)}
              />
            )}
          </Field>
        </div>
        <Button type="submit" look="main" disabled={making.isPending}>
          Make an address
        </Button>
        <CopyCurl
          method="POST"
          path={`/v1/sandboxes/${sandbox}/ports/${port || 8000}/preview`}
          body={{ expires_in: Math.round(Number(minutes) * 60) }}
        />
      </form>
      {making.error && <Failure error={making.error} />}
      <ul className="space-y-2">
        {made.map((preview) => (
          <li key={preview.token} className="flex flex-wrap items-center gap-3 rounded-lg border border-line p-3">
            <span className="font-medium">Port {preview.port}</span>
            <span className="min-w-0 flex-1 text-sm text-soft">works until {moment(preview.expires_at)}</span>
            <a
              href={safeUrl(preview.origin_url ?? preview.url)}
              target="_blank"
              rel="noreferrer noopener"
              className={buttonStyle()}
            >
              <ExternalLink aria-hidden /> Open
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}
