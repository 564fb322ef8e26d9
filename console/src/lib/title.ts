import { useLocation } from "@tanstack/react-router";
import { type RefObject, useEffect } from "react";

/** Names the browser's tab, and so its history, after the heading of the screen and the part of it that is open. */
export function useTitleOf(heading: RefObject<HTMLElement | null>) {
  useLocation({ select: ({ pathname }) => pathname }); // a part may change while its screen stays
  useEffect(() => {
    const text = heading.current?.textContent?.trim();
    const part = heading.current?.closest("main")?.querySelector("[data-part][aria-current=page]")?.textContent;
    document.title = text ? [part, text.slice(0, 80), "Glia"].filter(Boolean).join(" · ") : "Glia";
  });
}
