import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRouter, RouterProvider } from "@tanstack/react-router";
import { type ComponentType, lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import type { ToasterProps } from "sonner";
import { NoPage } from "@/components/no-page";
import { Failure, Loading } from "@/components/states";
import { ApiError } from "@/lib/api";
import { forgetDrafts } from "@/lib/drafts";
import { credentials, onCredentials } from "@/lib/session";
import { showTheme } from "@/lib/theme";
import { routeTree } from "./routeTree.gen";
import "./styles.css";

// Without it nothing is said in passing, and everything else works.
const Toaster = lazy(() =>
  import("sonner").then(
    (found) => ({ default: found.Toaster as ComponentType<ToasterProps> }),
    () => ({ default: () => null }),
  ),
);
const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      retry: (failures, error) =>
        failures < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 500),
    },
  },
});
const router = createRouter({
  routeTree,
  basepath: new URL(document.baseURI).pathname.replace(/\/$/, "") || "/",
  context: { queries },
  defaultErrorComponent: ({ error }) => (
    <Failure error={error instanceof Error ? error : new Error(String(error))} onRetry={() => location.reload()} />
  ),
  defaultNotFoundComponent: NoPage,
  defaultPendingComponent: () => <Loading what="this page" />,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

// The router would load the page anew, and with the server gone that leaves nothing but the browser's own error.
addEventListener("vite:preloadError", (event) => {
  event.payload.message = "This screen could not be loaded: the server cannot be reached, or the console was updated.";
});
showTheme();
onCredentials(() => {
  queries.clear();
  if (!credentials()) forgetDrafts();
});
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
        <Suspense>
          <Toaster position="top-center" theme="system" />
        </Suspense>
      </QueryClientProvider>
    </StrictMode>,
  );
}
