import { Link, type LinkProps, useRouter } from "@tanstack/react-router";
import { LogOut, Menu, MonitorCog, Moon, Sun } from "lucide-react";
import { lazy, type ReactNode, Suspense, useState } from "react";
import icon from "@/icon.svg";
import { setTheme, type Theme, theme } from "@/lib/theme";
import { AT_HAND, GROUPS, type Place, type PlaceGroup } from "./places";
import { Button } from "./ui/button";

// What nobody has opened is not loaded.
const Sheet = lazy(() => import("./sheet"));

interface Props {
  /** How many approvals wait. */
  waiting: number;
  /** Whether the server has stopped to answer. */
  isOffline: boolean;
  onSignOut: () => void;
  /** What stands beside the colours and signing out, such as a button that searches. */
  tools?: ReactNode;
  children: ReactNode;
}

/** The groups of screens that this console has. */
export function usePlaces(): PlaceGroup[] {
  const { routesByPath } = useRouter();
  return GROUPS.map(({ name, places }) => ({ name, places: places.filter(({ to }) => to in routesByPath) }));
}

/** Navigation at the side, or at the bottom of a small screen; the page beside it. */
export function Shell({ waiting, isOffline, onSignOut, tools, children }: Props) {
  const groups = usePlaces();
  const atHand = groups.flatMap(({ places }) => places).filter(({ to }) => AT_HAND.includes(to));
  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <a href="#page" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-panel focus:p-3">
        Skip to the page
      </a>
      <nav
        aria-label="Main"
        className="order-2 flex shrink-0 border-t border-line bg-panel pb-[env(safe-area-inset-bottom)] md:order-none md:w-52 md:flex-col md:border-t-0 md:border-r md:p-3"
      >
        <p className="hidden items-center gap-2.5 px-2 py-2 text-lg font-semibold tracking-tight md:flex">
          <img src={icon} alt="" className="size-7" /> Glia
        </p>
        <div className="hidden min-h-0 flex-1 overflow-y-auto md:block">
          <Groups groups={groups} waiting={waiting} />
        </div>
        <div className="hidden items-center gap-1 pt-2 md:flex">
          <Tools onSignOut={onSignOut}>{tools}</Tools>
        </div>
        <div className="flex flex-1 md:hidden">
          {atHand.map((place) => (
            <Below key={place.to} {...place} waiting={place.to === "/approvals" ? waiting : 0} />
          ))}
          <More groups={groups} waiting={waiting} />
        </div>
      </nav>
      <main id="page" className="flex min-h-0 min-w-0 flex-1 flex-col overflow-y-auto">
        {isOffline && (
          <p role="status" className="sticky top-0 z-30 bg-warn-soft px-4 py-1.5 text-center text-sm text-warn">
            The server cannot be reached. What you see may be old; it is tried again by itself.
          </p>
        )}
        <div className="flex shrink-0 items-center justify-between border-b border-line bg-panel px-4 py-1 md:hidden">
          <p className="flex items-center gap-2 font-semibold">
            <img src={icon} alt="" className="size-6" /> Glia
          </p>
          <div className="flex">
            <Tools onSignOut={onSignOut}>{tools}</Tools>
          </div>
        </div>
        {children}
      </main>
    </div>
  );
}

// Which of the places have a route is known at run time only.
const address = (to: string) => to as LinkProps["to"];

function Groups({ groups, waiting, onGo }: { groups: PlaceGroup[]; waiting: number; onGo?: () => void }) {
  return groups.map(({ name, places }) => (
    <section key={name} aria-label={name || undefined} className="pt-1">
      {name && places.length > 0 && <h2 className="px-2.5 pt-2 pb-1 text-xs font-medium text-soft">{name}</h2>}
      <ul>
        {places.map(({ to, name: title, Icon }) => (
          <li key={to}>
            <Link
              to={address(to)}
              onClick={onGo}
              activeOptions={{ exact: to === "/" }}
              className="flex min-h-11 items-center gap-3 rounded-lg px-2.5 py-1 text-sm font-medium text-soft hover:bg-raised hover:text-ink aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent md:min-h-8.5"
            >
              <Icon className="size-4.5" aria-hidden />
              {title}
              {to === "/approvals" && waiting > 0 && <Waiting number={waiting} className="ml-auto" />}
            </Link>
          </li>
        ))}
      </ul>
    </section>
  ));
}

const BELOW =
  "relative flex min-w-0 flex-1 flex-col items-center gap-0.5 rounded-lg px-0.5 py-2 text-[11px] text-soft hover:text-ink aria-[current=page]:text-accent";

function Below({ to, name, Icon, waiting }: Place & { waiting: number }) {
  return (
    <Link to={address(to)} activeOptions={{ exact: to === "/" }} className={BELOW}>
      <Icon className="size-5" aria-hidden />
      <span className="max-w-full truncate">{name}</span>
      {waiting > 0 && <Waiting number={waiting} className="absolute top-1 right-[calc(50%-1.6rem)]" />}
    </Link>
  );
}

/** All screens, on a small one. */
function More({ groups, waiting }: { groups: PlaceGroup[]; waiting: number }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <button type="button" aria-haspopup="dialog" className={BELOW} onClick={() => setIsOpen(true)}>
        <Menu className="size-5" aria-hidden />
        More
      </button>
      {isOpen && (
        <Suspense>
          <Sheet title="All screens" onClose={() => setIsOpen(false)}>
            <Groups groups={groups} waiting={waiting} onGo={() => setIsOpen(false)} />
          </Sheet>
        </Suspense>
      )}
    </>
  );
}

function Waiting({ number, className }: { number: number; className: string }) {
  return (
    <span className={`${className} rounded-full bg-accent px-1.5 text-[11px] font-semibold text-accent-ink`}>
      {number}
      <span className="sr-only"> waiting</span>
    </span>
  );
}

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICONS = { system: MonitorCog, light: Sun, dark: Moon };

function Tools({ onSignOut, children }: { onSignOut: () => void; children: ReactNode }) {
  const [shown, setShown] = useState(theme);
  const Icon = ICONS[shown];
  return (
    <>
      {children}
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
      <Button look="quiet" size="icon" aria-label="Sign out" title="Sign out" onClick={onSignOut}>
        <LogOut aria-hidden />
      </Button>
    </>
  );
}
