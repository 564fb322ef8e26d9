// What was looked at in this tab, newest first. It goes with the tab, like the credentials.
export interface Recent {
  path: string;
  title: string;
}

const PLACE = "glia.recent";
const MOST = 8;

export function recents(): Recent[] {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE) ?? "[]") as Recent[];
  } catch {
    return [];
  }
}

export function remember(recent: Recent) {
  const others = recents().filter(({ path }) => path !== recent.path);
  try {
    sessionStorage.setItem(PLACE, JSON.stringify([recent, ...others].slice(0, MOST)));
  } catch {
    // a browser that keeps nothing has no recent things
  }
}

export const forgetRecents = () => sessionStorage.removeItem(PLACE);
