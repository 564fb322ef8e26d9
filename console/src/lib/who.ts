const KINDS: Record<string, string> = { key: "an API key", user: "a person", agent: "an agent", system: "this server" };

/** Who did something, in words: events and versions name them as `key:<id>`, `user:<id>`, `agent:<id>`. */
export function who(by: string, names?: Map<string, string>): string {
  const [, kind, id] = /^(\w+)(?::(.+))?$/.exec(by) ?? [];
  return names?.get(id ?? "") ?? KINDS[kind ?? ""] ?? by;
}
