export type Theme = "light" | "dark" | "system";
const PLACE = "glia.theme";

export function theme(): Theme {
  const kept = localStorage.getItem(PLACE);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function setTheme(next: Theme) {
  if (next === "system") localStorage.removeItem(PLACE);
  else localStorage.setItem(PLACE, next);
  showTheme();
}

export function showTheme() {
  const kept = theme();
  if (kept === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = kept;
}
