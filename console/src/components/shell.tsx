import { Link } from "@tanstack/react-router";
import {
  BookOpen,
  Bot,
  House,
  ListTree,
  LogOut,
  MessageSquare,
  MonitorCog,
  Moon,
  ShieldQuestion,
  Sun,
} from "lucide-react";
import { type ReactNode, useState } from "react";
import icon from "@/icon.svg";
import { cn } from "@/lib/cn";
import { keepCredentials } from "@/lib/session";
import { setTheme, type Theme, theme } from "@/lib/theme";
import { Button } from "./ui/button";

const PLACES = [
  { to: "/", name: "Home", Icon: House },
  { to: "/chat", name: "Chat", Icon: MessageSquare },
  { to: "/agents", name: "Agents", Icon: Bot },
  { to: "/knowledge", name: "Knowledge", Icon: BookOpen },
  { to: "/approvals", name: "Approvals", Icon: ShieldQuestion },
  { to: "/runs", name: "Runs", Icon: ListTree },
] as const;

/** Navigation at the side, or at the bottom of a small screen; the page beside it. */
export function Shell({
  waiting,
  onSignOut,
  children,
}: {
  waiting: number;
  onSignOut: () => void;
  children: ReactNode;
}) {
  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <a href="#page" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-panel focus:p-3">
        Skip to the page
      </a>
      <nav
        aria-label="Main"
        className="order-2 flex shrink-0 border-t border-line bg-panel pb-[env(safe-area-inset-bottom)] md:order-none md:w-52 md:flex-col md:border-t-0 md:border-r md:p-3"
      >
        <p className="hidden items-center gap-2.5 px-2 py-2 text-lg font-semibold tracking-tight md:mb-3 md:flex">
          <img src={icon} alt="" className="size-7" /> Glia
        </p>
        {PLACES.map(({ to, name, Icon }) => (
          <Link
            key={to}
            to={to}
            activeOptions={{ exact: to === "/" }}
            className="relative flex min-w-0 flex-1 flex-col items-center gap-0.5 rounded-lg px-0.5 py-2 text-[11px] text-soft hover:text-ink aria-[current=page]:text-accent md:flex-none md:flex-row md:gap-3 md:px-2.5 md:text-sm md:font-medium md:hover:bg-raised md:aria-[current=page]:bg-accent-soft"
          >
            <Icon className="size-5 md:size-4.5" aria-hidden />
            <span className="max-w-full truncate">{name}</span>
            {name === "Approvals" && waiting > 0 && (
              <span className="absolute top-1 right-[calc(50%-1.4rem)] rounded-full bg-accent px-1.5 text-[11px] font-semibold text-accent-ink md:static md:ml-auto">
                {waiting}
                <span className="sr-only"> waiting</span>
              </span>
            )}
          </Link>
        ))}
        <div className="hidden flex-1 md:block" />
        <div className="hidden items-center gap-1 md:flex">
          <Tools onSignOut={onSignOut} />
        </div>
      </nav>
      <main id="page" className="flex min-h-0 min-w-0 flex-1 flex-col overflow-y-auto">
        <div className="flex shrink-0 items-center justify-between border-b border-line bg-panel px-4 py-1 md:hidden">
          <p className="flex items-center gap-2 font-semibold">
            <img src={icon} alt="" className="size-6" /> Glia
          </p>
          <div className="flex">
            <Tools onSignOut={onSignOut} />
          </div>
        </div>
        {children}
      </main>
    </div>
  );
}

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICONS = { system: MonitorCog, light: Sun, dark: Moon };

function Tools({ onSignOut }: { onSignOut: () => void }) {
  const [shown, setShown] = useState(theme);
  const Icon = ICONS[shown];
  return (
    <>
      <Button
        look="quiet"
        size="icon"
        aria-label={`Colours: ${shown}. Change to ${NEXT[shown]}`}
        title={`Colours: ${shown}`}
        onClick={() => {
          setTheme(NEXT[shown]);
          setShown(NEXT[shown]);
        }}
      >
        <Icon aria-hidden />
      </Button>
      <Button
        look="quiet"
        size="icon"
        className={cn("md:size-9")}
        aria-label="Sign out"
        title="Sign out"
        onClick={() => {
          onSignOut();
          keepCredentials(null);
        }}
      >
        <LogOut aria-hidden />
      </Button>
    </>
  );
}
