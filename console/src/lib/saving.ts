import { errorOf, serverUrl, signedFetch } from "./api";

/** A file of the server. It goes through us, because a plain link would carry no credential. */
export async function fileAt(path: string): Promise<Blob> {
  const response = await signedFetch(serverUrl() + path);
  if (!response.ok) throw await errorOf(response);
  return response.blob();
}

/** Gives the person a file. */
export function save(file: Blob, name: string) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const saveAt = async (path: string, name: string) => save(await fileAt(path), name);
