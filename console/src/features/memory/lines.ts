import type { Schema } from "@/lib/api";
import type { Memory } from "./api";

type Fact = Schema["MemoryBody"];

const MOST = 1000;
const FIELDS = ["content", "agent_id", "user_name", "tier", "bucket", "importance", "metadata"] as const;

/** What an import needs of each memory, one a line. */
export const linesOf = (memories: Memory[]) =>
  memories.map((memory) => JSON.stringify(Object.fromEntries(FIELDS.map((name) => [name, memory[name]])))).join("\n");

/** The facts of a file, as JSON lines or as one list. Says which line is none. */
export function readLines(text: string): Fact[] {
  const facts = text.trimStart().startsWith("[") ? list(text) : lines(text);
  if (facts.length > MOST) throw new Error(`The file has ${facts.length} facts; ${MOST} can be imported at a time.`);
  if (!facts.length) throw new Error("The file holds no facts: each line is a JSON object with a content.");
  return facts;
}

function list(text: string): Fact[] {
  const found = parsed(text, "The file");
  return (found as unknown[]).map((each, index) => factOf(each, `Entry ${index + 1}`));
}

const lines = (text: string) =>
  text.split("\n").flatMap((line, index) => {
    const name = `Line ${index + 1}`;
    return line.trim() ? [factOf(parsed(line, name), name)] : [];
  });

function parsed(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${name} is no JSON.`);
  }
}

function factOf(given: unknown, name: string): Fact {
  const fact = given as Partial<Fact> | null;
  if (typeof fact?.content !== "string" || !fact.content.trim()) throw new Error(`${name} has no content.`);
  return Object.fromEntries(FIELDS.flatMap((key) => (fact[key] == null ? [] : [[key, fact[key]]]))) as Fact;
}
