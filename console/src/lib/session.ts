import type { Tokens } from "./renewal";

// Who is signed in: kept for this tab only, so that a closed tab leaves nothing behind.
export type Credentials = { kind: "key"; key: string } | Tokens;

const PLACE = "glia.credentials";
const listeners = new Set<() => void>();
let current: Credentials | null = read();

function read(): Credentials | null {
  try {
    const text = sessionStorage.getItem(PLACE);
    return text ? (JSON.parse(text) as Credentials) : null;
  } catch {
    return null; // storage may be closed to us; then one signs in anew after a reload
  }
}

export const credentials = () => current;

/** Somebody signed in or out: what was loaded for whoever it was before is dropped. */
export function keepCredentials(next: Credentials | null) {
  write(next);
  for (const listener of listeners) listener();
}

/** The same person with new tokens, of which nobody needs to hear: what is loading goes on. */
export function renewCredentials(next: Tokens) {
  write(next);
}

function write(next: Credentials | null) {
  current = next;
  try {
    if (next) sessionStorage.setItem(PLACE, JSON.stringify(next));
    else sessionStorage.removeItem(PLACE);
  } catch {
    // as above
  }
}

export function onCredentials(listener: () => void) {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}
