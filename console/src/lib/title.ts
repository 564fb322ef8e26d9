import { type RefObject, useEffect } from "react";

/** Names the browser's tab, and so its history, after the heading of the screen. */
export function useTitleOf(heading: RefObject<HTMLElement | null>) {
  useEffect(() => {
    const text = heading.current?.textContent?.trim();
    document.title = text ? `${text.slice(0, 80)} · Glia` : "Glia";
  });
}
