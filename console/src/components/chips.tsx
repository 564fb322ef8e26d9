import { X } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";
import { buttonStyle } from "./ui/button";

interface Props {
  /** What a list is narrowed by, in words. */
  chips: readonly { name: string; told: string }[];
  className?: string;
  /** Where it goes without one of them. */
  link: (name: string, children: ReactNode, given: { className: string; "aria-label": string }) => ReactNode;
}

/** What a list is narrowed by; each can be taken away. */
export function Chips({ chips, className, link }: Props) {
  if (!chips.length) return null;
  return (
    <ul aria-label="Narrowed to" className={cn("flex flex-wrap gap-2", className)}>
      {chips.map(({ name, told }) => (
        <li key={name} className="max-w-full">
          {link(
            name,
            <>
              <span className="max-w-60 truncate">{told}</span> <X aria-hidden />
            </>,
            { className: buttonStyle({ size: "small" }), "aria-label": `Without: ${told}` },
          )}
        </li>
      ))}
    </ul>
  );
}
