import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ExternalLink } from "lucide-react";
import { useEffect, useState } from "react";
import { Failure } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { safeUrl } from "@/lib/prose";
import { toast } from "@/lib/toast";
import { beginSignIn, type Server, signOut } from "./api";

const ASK_AGAIN_MS = 2000;
const LONGEST_MS = 300_000;

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
  const { reset } = beginning;
  const [isAway, setIsAway] = useState(false);
  // It is agreed to in another tab, which says nothing to this one.
  useEffect(() => {
    if (!isAway) return;
    const asking = setInterval(() => void queries.invalidateQueries({ queryKey: ["tools"] }), ASK_AGAIN_MS);
    const enough = setTimeout(() => setIsAway(false), LONGEST_MS);
    return () => {
      clearInterval(asking);
      clearTimeout(enough);
    };
  }, [isAway, queries]);
  const isWaiting = isAway && !server.is_authorized;
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
      <p role="status" className={isWaiting ? "text-sm text-soft" : "sr-only"}>
        {isWaiting && "Waiting until it is allowed in the other tab…"}
      </p>
      {beginning.error && <Failure error={beginning.error} />}
      <div className="flex flex-wrap gap-2">
        {address ? (
          <a
            href={address}
            target="_blank"
            rel="noreferrer noopener"
            className={buttonStyle({ look: "main" })}
            onClick={() => {
              setIsAway(true);
              setTimeout(reset); // an address works once
            }}
          >
            <ExternalLink aria-hidden /> Go there and allow it
          </a>
        ) : (
          <Button look="main" disabled={beginning.isPending} onClick={() => beginning.mutate()}>
            {isWaiting ? "Begin again" : server.is_authorized ? "Sign in again" : "Sign in"}
          </Button>
        )}
        {server.is_authorized && (
          <Button look="danger" disabled={leaving.isPending} onClick={() => leaving.mutate()}>
            Forget the sign-in
          </Button>
        )}
      </div>
    </div>
  );
}
