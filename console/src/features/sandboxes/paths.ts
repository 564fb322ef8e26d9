/** The last part of a path. */
export const nameOf = (path: string) => path.split("/").filter(Boolean).at(-1) ?? "";

/** A name in a folder. */
export const below = (folder: string, name: string) => `${folder.replace(/\/+$/, "")}/${name.replace(/^\/+/, "")}`;

/** The folders that lead to a path, the root first. */
export function stepsOf(path: string): { name: string; path: string }[] {
  const names = path.split("/").filter(Boolean);
  return [
    { name: "/", path: "/" },
    ...names.map((name, index) => ({ name, path: `/${names.slice(0, index + 1).join("/")}` })),
  ];
}

const TYPES: Record<string, string> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp",
  svg: "image/svg+xml",
  csv: "text/csv",
  tsv: "text/tab-separated-values",
};
const BINARY =
  /\.(zip|gz|tgz|tar|xz|bz2|7z|exe|so|o|a|pyc|whl|pdf|docx|xlsx|pptx|parquet|db|sqlite|bin|mp3|mp4|wav|woff2?)$/i;

/** What a file most likely is, by its name; text unless its name says otherwise. */
export const typeOf = (path: string) =>
  TYPES[path.split(".").at(-1)?.toLowerCase() ?? ""] ?? (BINARY.test(path) ? "application/octet-stream" : "text/plain");
