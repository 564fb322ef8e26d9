import type { Citation } from "./log";

/** The address when a page may lead there, else nothing. */
export function safeUrl(url: string): string {
  if (/^#cite-\d+$/.test(url)) return url;
  try {
    return ["http:", "https:", "mailto:"].includes(new URL(url).protocol) ? url : "";
  } catch {
    return ""; // relative addresses mean nothing in a model's text
  }
}

const OWN_PICTURE = /^data:image\/(png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/]+={0,2}$/;

/** The address when a picture may come from there, or be in it, else nothing. A drawing is a page, and is no picture. */
export function pictureUrl(url: string): string {
  return /^https?:/i.test(url) ? safeUrl(url) : OWN_PICTURE.test(url) ? url : "";
}

export interface NamedPicture {
  url: string;
  alt: string;
}

// A bracket ends an address, so that a text of nothing but beginnings is read once and not once for each.
const PICTURE = /!\[([^\]\n]{0,500})\]\(<?(https?:\/\/[^\s<>"'`\\()[\]]{1,4000})>?(?:\s\\?"[^"\n]{0,200}")?\)/g;
const MOST_PICTURES = 12;

/** The pictures that a text which is shown as it is names in Markdown, each once. */
export function picturesIn(text: string): NamedPicture[] {
  const found = new Map<string, string>();
  for (const [, alt = "", url = ""] of text.slice(0, 200_000).matchAll(PICTURE)) {
    if (found.size < MOST_PICTURES && !found.has(url) && pictureUrl(url)) found.set(url, alt);
  }
  return [...found].map(([url, alt]) => ({ url, alt }));
}

/** Markers of sources, `[kb://…]`, as links to their numbers. One that is still being written is left out. */
export function withMarkers(text: string, citations: Citation[]): string {
  const numbers = new Map(citations.map((citation, index) => [citation.uri, index + 1]));
  return text
    .replace(/\[(kb:\/\/[^\]\s]+)\](?!\()/g, (_, uri: string) => {
      const number = numbers.get(uri);
      return number ? `[${number}](#cite-${number})` : "";
    })
    .replace(/\[(k(b(:(\/(\/[^\]\s]*)?)?)?)?)?$/, "");
}

/** Cuts Markdown at blank lines outside code fences, so that blocks above the last stay as they are. */
export function blocksOf(text: string): string[] {
  const blocks: string[] = [];
  let current: string[] = [];
  let fence = "";
  for (const line of text.split("\n")) {
    const mark = /^\s{0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark && !fence) fence = mark;
    else if (mark && fence && mark.startsWith(fence)) fence = "";
    // An indented line after a blank one may go on with a list, so such blocks stay whole.
    if (!line.trim() && !fence) {
      if (current.length) current.push(line);
    } else if (current.length && !fence && current.at(-1) === "" && /^[^\s\-*+>|\d]/.test(line)) {
      blocks.push(current.join("\n"));
      current = [line];
    } else current.push(line);
  }
  if (current.length) blocks.push(current.join("\n"));
  return blocks;
}
