import { useLocation, useRouter } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { lazy, Suspense, useEffect } from "react";
import { usePlaces } from "@/components/shell";
import { Button } from "@/components/ui/button";
import { remember } from "@/features/search/recent";
import { CTRL, useKeys } from "@/lib/keys";

// What nobody has opened is not loaded.
const Dialogs = lazy(() => import("./-dialogs"));

const SEEN_AFTER_MS = 1500;

export type Opened = "palette" | "keys" | null;

export interface Props {
  open: Opened;
  onOpen: (next: Opened) => void;
  onSignOut: () => void;
}

/** The keys that work anywhere, and what they open. */
export function Commands({ open, onOpen, onSignOut }: Props) {
  const router = useRouter();
  const places = usePlaces().flatMap((group) => group.places);
  useRecents();
  useKeys((keys) => {
    const place = places.find(({ letter }) => keys === `g ${letter}`);
    if (place) router.history.push(router.history.createHref(place.to));
    else if (keys === "mod+k") onOpen(open === "palette" ? null : "palette");
    else if (keys === "/") onOpen("palette");
    else if (keys === "?") onOpen("keys");
    else return false;
    return true;
  });
  return (
    open && (
      <Suspense>
        <Dialogs open={open} onOpen={onOpen} onSignOut={onSignOut} />
      </Suspense>
    )
  );
}

export function SearchButton({ onOpen }: Pick<Props, "onOpen">) {
  return (
    <Button
      look="quiet"
      size="icon"
      aria-label="Search and commands"
      title={`Search and commands (${CTRL} K)`}
      onClick={() => onOpen("palette")}
    >
      <Search aria-hidden />
    </Button>
  );
}

/** Remembers what was looked at for longer than a moment, by the page's own heading. */
function useRecents() {
  const path = useLocation({ select: ({ pathname }) => pathname });
  useEffect(() => {
    if (!/^\/(chat|runs|agents|knowledge|fleet|sandboxes|automation)\/./.test(path) || path.endsWith("/new")) return;
    const timer = setTimeout(() => {
      const heading = document.querySelector("main h1")?.textContent?.trim();
      if (heading) remember({ path, title: heading });
    }, SEEN_AFTER_MS);
    return () => clearTimeout(timer);
  }, [path]);
}
