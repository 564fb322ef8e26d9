import { useLocation, useRouter } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
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
  const [typed, setTyped] = useState("");
  useEffect(() => {
    if (!open) setTyped("");
  }, [open]);
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
      <Suspense fallback={open === "palette" && <Early typed={typed} onTyped={setTyped} />}>
        <Dialogs open={open} onOpen={onOpen} onSignOut={onSignOut} typed={typed} />
      </Suspense>
    )
  );
}

/** Takes what is typed while the palette is still loading. */
function Early({ typed, onTyped }: { typed: string; onTyped: (next: string) => void }) {
  return (
    <input
      aria-label="Search and commands"
      // biome-ignore lint/a11y/noAutofocus: whoever asked for the palette goes on typing
      autoFocus
      value={typed}
      onChange={(event) => onTyped(event.target.value)}
      className="fixed top-[8dvh] left-1/2 z-50 h-12 w-[min(40rem,calc(100vw-1.5rem))] -translate-x-1/2 rounded-xl border border-line bg-panel px-4 shadow-xl outline-none"
    />
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
