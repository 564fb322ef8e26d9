// Forms that hold something that is not saved; signing out, which changes no address, asks for them.
const watched = new Set<() => boolean>();

/** Returns what ends it. */
export function watchUnsaved(isUnsaved: () => boolean): () => void {
  watched.add(isUnsaved);
  return () => {
    watched.delete(isUnsaved);
  };
}

export const isAnythingUnsaved = () => [...watched].some((isUnsaved) => isUnsaved());
