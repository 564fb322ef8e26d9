import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ExternalLink } from "lucide-react";
import { useState } from "react";
import { Failure } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { safeUrl } from "@/lib/prose";
import { toast } from "@/lib/toast";
import { beginSignIn, type Server, signOut } from "./api";

/** Whether somebody has signed in to the server, and how to do so. */
export function OAuth({ server, id }: { server: Server; id: string }) {
  const queries = useQueryClient();
  const [client, setClient] = useState("");
  const [secret, setSecret] = useState("");
  const read = () => queries.invalidateQueries({ queryKey: ["tools"] });
  const beginning = useMutation({
    mutationFn: () => beginSignIn(id, { client_id: client || null, client_secret: secret || null }),
  });
  const leaving = useMutation({
    mutationFn: () => signOut(id),
    onSuccess: () => toast.success("The sign-in is forgotten."),
    onError: (error) => toast.error(error.message),
    onSettled: read,
  });
  const address = safeUrl(beginning.data?.authorization_url ?? "");
  return (
    <div className="space-y-4 p-4">
      <p>
        {server.is_authorized
          ? "Somebody has signed in to it; its tokens are kept encrypted."
          : "Nobody has signed in to it yet, so its tools cannot be called."}
      </p>
      <details className="text-sm">
        <summary className="text-soft">It registers nobody by itself</summary>
        <div className="mt-2 grid gap-4 sm:grid-cols-2">
          <Field label="Client id">
            {(given) => <Input {...given} value={client} onChange={(event) => setClient(event.target.value)} />}
          </Field>
          <Field label="Client secret" hint="Never shown again.">
            {(given) => (
              <Input
                {...given}
                type="password"
                autoComplete="off"
                value={secret}
                onChange={(event) => setSecret(event.target.value)}
              />
            )}
          </Field>
        </div>
      </details>
      {beginning.error && <Failure error={beginning.error} />}
      <div className="flex flex-wrap gap-2">
        {address ? (
          <a href={address} target="_blank" rel="noreferrer noopener" className={buttonStyle({ look: "main" })}>
            <ExternalLink aria-hidden /> Go there and allow it
          </a>
        ) : (
          <Button look="main" disabled={beginning.isPending} onClick={() => beginning.mutate()}>
            {server.is_authorized ? "Sign in again" : "Sign in"}
          </Button>
        )}
        {address && <Button onClick={read}>I have done so</Button>}
        {server.is_authorized && (
          <Button look="danger" disabled={leaving.isPending} onClick={() => leaving.mutate()}>
            Forget the sign-in
          </Button>
        )}
      </div>
    </div>
  );
}
