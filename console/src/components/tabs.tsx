import { Link, type LinkProps, useLocation } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { cn } from "@/lib/cn";
import { buttonStyle } from "./ui/button";

interface Tab {
  to: LinkProps["to"];
  name: string;
  exact?: boolean;
}

/** The parts of a screen, each with an address of its own. */
export function Tabs({ name, tabs }: { name: string; tabs: readonly Tab[] }) {
  const nav = useRef<HTMLElement>(null);
  const path = useLocation({ select: ({ pathname }) => pathname });
  // On a small screen they scroll sideways: the one that is open is brought into sight.
  useEffect(() => {
    if (path)
      nav.current?.querySelector("[aria-current=page]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [path]);
  return (
    <nav ref={nav} aria-label={name} className="mb-5 flex gap-1 overflow-x-auto border-b border-line pb-2">
      {tabs.map(({ to, name: title, exact }) => (
        <Link
          key={to}
          data-part
          to={to}
          activeOptions={{ exact: exact ?? false, includeSearch: false }}
          className={cn(
            buttonStyle({ size: "small", look: "quiet" }),
            "aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent",
          )}
        >
          {title}
        </Link>
      ))}
    </nav>
  );
}
