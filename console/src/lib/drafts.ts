// What is being written in each conversation: kept in this tab, so that another screen or a reload loses nothing.
const PLACE = "glia.draft.";
const LONGEST = 50_000;
const MOST = 20;

interface Kept {
  at: number;
  text: string;
}

function read(name: string): Kept | null {
  try {
    const found = JSON.parse(sessionStorage.getItem(name) ?? "null");
    return typeof found?.text === "string" ? found : null;
  } catch {
    return null; // storage may be closed to us
  }
}

export const draftOf = (conversation: string) => read(PLACE + conversation)?.text ?? "";

/** Keeps what is written in a conversation; nothing is kept of a text that is longer than 50,000 characters. Of more
 *  than 20 conversations the ones written in last are kept. */
export function keepDraft(conversation: string, text: string) {
  const name = PLACE + conversation;
  try {
    if (!text.trim() || text.length > LONGEST) return sessionStorage.removeItem(name);
    if (sessionStorage.getItem(name) === null) makeRoom();
    sessionStorage.setItem(name, JSON.stringify({ at: Date.now(), text } satisfies Kept));
  } catch {
    // a browser that keeps nothing keeps no drafts
  }
}

export function forgetDrafts() {
  try {
    for (const name of names()) sessionStorage.removeItem(name);
  } catch {
    // as above
  }
}

const names = () =>
  Array.from({ length: sessionStorage.length }, (_, index) => sessionStorage.key(index) ?? "").filter((name) =>
    name.startsWith(PLACE),
  );

function makeRoom() {
  const oldest = names().sort((a, b) => (read(b)?.at ?? 0) - (read(a)?.at ?? 0));
  for (const name of oldest.slice(MOST - 1)) sessionStorage.removeItem(name);
}
