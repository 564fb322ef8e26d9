import { useNavigate, useRouter } from "@tanstack/react-router";
import { BookOpen, Bot, Clock, Keyboard, LogOut, MessageSquare, Rocket, SunMoon } from "lucide-react";
import { usePlaces } from "@/components/shell";
import { Shortcuts } from "@/components/shortcuts";
import { addressOf } from "@/features/search/api";
import type { Choice } from "@/features/search/choices";
import { Palette } from "@/features/search/palette";
import { recents } from "@/features/search/recent";
import { setTheme, type Theme } from "@/lib/theme";
import type { Props } from "./-commands";

/** The palette and the overview of keys. */
export default function Dialogs({ open, onOpen, onSignOut, typed }: Props & { typed: string }) {
  const router = useRouter();
  const navigate = useNavigate();
  const places = usePlaces().flatMap((group) => group.places);
  const go = (path: string) => router.history.push(router.history.createHref(path));
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
        initial={typed}
        onThing={(thing) => go(addressOf(thing))}
        onAll={(q) => void navigate({ to: "/search", search: { q } })}
      />
      <Shortcuts isOpen={open === "keys"} onClose={() => onOpen(null)} />
    </>
  );
}
