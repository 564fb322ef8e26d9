export interface File {
  id: string;
  name: string;
  media_type: string;
  size_bytes: number;
}

export type Look = "image" | "table" | "text" | "none";

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml", "image/avif"];
const TEXTS = /^text\/|[/+](json|xml|yaml|x-yaml|javascript|x-sh|toml|x-ndjson)$/;
const LARGEST = { image: 20_000_000, table: 2_000_000, text: 1_000_000, none: 0 };
/** How a file is shown. A page or a drawing never runs as one: pages are text, drawings pictures. */
export function lookOf({ media_type, name, size_bytes }: Omit<File, "id">): Look {
  const type = media_type.split(";")[0]?.trim().toLowerCase() ?? "";
  const isTable = /^text\/(csv|tab-separated-values)$/.test(type) || /\.(csv|tsv)$/i.test(name);
  const look = PICTURES.includes(type) ? "image" : isTable ? "table" : TEXTS.test(type) ? "text" : "none";
  return size_bytes <= LARGEST[look] ? look : "none";
}
