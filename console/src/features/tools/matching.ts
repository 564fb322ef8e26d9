/** Those whose name or description holds every word, in any letter case. */
export function matching<T extends { name: string; description: string }>(entries: T[], words: string): T[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return entries.filter((entry) => {
    const text = `${entry.name} ${entry.description}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
}
