import { useQuery } from "@tanstack/react-query";
import { createRootRoute, Outlet } from "@tanstack/react-router";
import { useSyncExternalStore } from "react";
import { Shell } from "@/components/shell";
import { pendingQuery } from "@/features/approvals/api";
import { SignIn } from "@/features/auth/sign-in";
import { api } from "@/lib/api";
import { credentials, onCredentials } from "@/lib/session";

export const Route = createRootRoute({ component: Root });

function Root() {
  const found = useSyncExternalStore(onCredentials, credentials);
  return found ? <Inside /> : <SignIn />;
}

function Inside() {
  const waiting = useQuery(pendingQuery);
  const onSignOut = () => {
    const found = credentials();
    // Whether or not it is heard, this tab forgets the tokens.
    if (found?.kind === "tokens")
      api.POST("/v1/auth/logout", { body: { refresh_token: found.refresh } }).catch(() => {});
  };
  return (
    <Shell waiting={waiting.data?.data.length ?? 0} onSignOut={onSignOut}>
      <Outlet />
    </Shell>
  );
}
