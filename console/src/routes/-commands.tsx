import { useLocation, useNavigate, useRouter } from "@tanstack/react-router";
import { BookOpen, Bot, Clock, Keyboard, LogOut, MessageSquare, Rocket, Search, SunMoon } from "lucide-react";
import { useEffect } from "react";
import { usePlaces } from "@/components/shell";
import { Shortcuts } from "@/components/shortcuts";
import { Button } from "@/components/ui/button";
import { addressOf } from "@/features/search/api";
import type { Choice } from "@/features/search/choices";
import { Palette } from "@/features/search/palette";
import { recents, remember } from "@/features/search/recent";
import { CTRL, useKeys } from "@/lib/keys";
import { setTheme, type Theme } from "@/lib/theme";

const SEEN_AFTER_MS = 1500;

export type Opened = "palette" | "keys" | null;

interface Props {
  open: Opened;
  onOpen: (next: Opened) => void;
  onSignOut: () => void;
}

/** The palette, the overview of keys, and the keys themselves. */
export function Commands({ open, onOpen, onSignOut }: Props) {
  const router = useRouter();
  const navigate = useNavigate();
  const places = usePlaces().flatMap((group) => group.places);
  useRecents();
  const go = (path: string) => router.history.push(router.history.createHref(path));
  useKeys((keys) => {
    const place = places.find(({ letter }) => keys === `g ${letter}`);
    if (place) go(place.to);
    else if (keys === "mod+k") onOpen(open === "palette" ? null : "palette");
    else if (keys === "/") onOpen("palette");
    else if (keys === "?") onOpen("keys");
    else return false;
    return true;
  });
  const colours: Theme[] = ["light", "dark", "system"];
  const choices: Choice[] = [
    ...recents().map(({ path, title }) => ({
      key: `recent-${path}`,
      group: "Recent",
      title,
      text: path.split("/")[1] ?? "",
      Icon: Clock,
      onChoose: () => go(path),
    })),
    ...places.map(({ to, name, Icon, letter, also }) => ({
      key: `place-${to}`,
      group: "Go to",
      title: name,
      words: also,
      keys: `g ${letter}`,
      Icon,
      onChoose: () => go(to),
    })),
    {
      key: "new-chat",
      group: "Do",
      title: "New conversation",
      words: "chat ask",
      Icon: MessageSquare,
      onChoose: () => go("/chat"),
    },
    {
      key: "new-agent",
      group: "Do",
      title: "New agent",
      words: "make create",
      Icon: Bot,
      onChoose: () => go("/agents/new"),
    },
    {
      key: "upload",
      group: "Do",
      title: "Upload documents",
      words: "knowledge file",
      Icon: BookOpen,
      onChoose: () => go("/knowledge"),
    },
    {
      key: "deploy",
      group: "Do",
      title: "Deploy a program",
      words: "new deployment",
      Icon: Rocket,
      onChoose: () => go("/fleet/new"),
    },
    ...colours.map((theme) => ({
      key: `colours-${theme}`,
      group: "Do",
      title: `Colours: ${theme}`,
      words: "theme mode",
      Icon: SunMoon,
      onChoose: () => setTheme(theme),
    })),
    {
      key: "keys",
      group: "Do",
      title: "Show all keys",
      words: "shortcuts keyboard help",
      keys: "?",
      Icon: Keyboard,
      onChoose: () => onOpen("keys"),
    },
    { key: "sign-out", group: "Do", title: "Sign out", Icon: LogOut, onChoose: onSignOut },
  ];
  return (
    <>
      <Palette
        isOpen={open === "palette"}
        onClose={() => onOpen(null)}
        choices={choices}
        onThing={(thing) => go(addressOf(thing))}
        onAll={(q) => void navigate({ to: "/search", search: { q } })}
      />
      <Shortcuts isOpen={open === "keys"} onClose={() => onOpen(null)} />
    </>
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
