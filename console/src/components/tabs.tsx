import { Link, type LinkProps } from "@tanstack/react-router";
import { cn } from "@/lib/cn";
import { buttonStyle } from "./ui/button";

interface Tab {
  to: LinkProps["to"];
  name: string;
  exact?: boolean;
}

/** The parts of a screen, each with an address of its own. */
export function Tabs({ name, tabs }: { name: string; tabs: readonly Tab[] }) {
  return (
    <nav aria-label={name} className="mb-5 flex gap-1 overflow-x-auto border-b border-line pb-2">
      {tabs.map(({ to, name: title, exact }) => (
        <Link
          key={to}
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
