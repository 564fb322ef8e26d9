import { useQuery } from "@tanstack/react-query";
import { createRootRoute, Outlet } from "@tanstack/react-router";
import { lazy, Suspense, useState, useSyncExternalStore } from "react";
import { Shell } from "@/components/shell";
import { pendingQuery } from "@/features/approvals/api";
import { forgetRecents } from "@/features/search/recent";
import { ApiError, api } from "@/lib/api";
import { credentials, keepCredentials, onCredentials } from "@/lib/session";
import { settleAll } from "@/lib/undo";
import { isAnythingUnsaved } from "@/lib/unsaved";
import { Commands, type Opened, SearchButton } from "./-commands";

// Whoever is signed in need not load it.
const SignIn = lazy(() => import("@/features/auth/sign-in").then((found) => ({ default: found.SignIn })));

const Question = lazy(() => import("@/components/ui/question"));

export const Route = createRootRoute({ component: Root });

function Root() {
  const found = useSyncExternalStore(onCredentials, credentials);
  if (found) return <Inside />;
  return (
    <Suspense>
      <SignIn />
    </Suspense>
  );
}

function Inside() {
  const waiting = useQuery(pendingQuery);
  const [open, setOpen] = useState<Opened>(null);
  const [isAsked, setIsAsked] = useState(false);
  const signOut = async () => {
    const found = credentials();
    forgetRecents();
    await settleAll();
    // Whether or not it is heard, this tab forgets the tokens.
    if (found?.kind === "tokens")
      api.POST("/v1/auth/logout", { body: { refresh_token: found.refresh } }).catch(() => {});
    keepCredentials(null);
  };
  const onSignOut = () => {
    if (isAnythingUnsaved()) setIsAsked(true);
    else void signOut();
  };
  return (
    <Shell
      isOffline={waiting.error instanceof ApiError && waiting.error.status === 0}
      waiting={waiting.data?.data.length ?? 0}
      onSignOut={onSignOut}
      tools={<SearchButton onOpen={setOpen} />}
    >
      <Outlet />
      <Commands open={open} onOpen={setOpen} onSignOut={onSignOut} />
      {isAsked && (
        <Suspense>
          <Question
            title="Sign out without saving?"
            text="What you changed on this screen is not saved; signing out loses it."
            action="Sign out"
            cancel="Stay"
            onConfirm={() => void signOut()}
            onClose={() => setIsAsked(false)}
          />
        </Suspense>
      )}
    </Shell>
  );
}
