import type { LucideIcon } from "lucide-react";

/** One line of the palette. words: what it is also found by. */
export interface Choice {
  key: string;
  group: string;
  title: string;
  text?: string;
  words?: string;
  keys?: string;
  Icon?: LucideIcon;
  onChoose: () => void;
}

/** Those that hold every word of what was typed, in titles before other words. */
export function matching(choices: Choice[], typed: string): Choice[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const found = choices.filter((choice) => {
    const text = `${choice.title} ${choice.words ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const isTitle = (choice: Choice) => words.every((word) => choice.title.toLowerCase().includes(word));
  return [...found.filter(isTitle), ...found.filter((choice) => !isTitle(choice))];
}
