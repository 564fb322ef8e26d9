export type FieldKind = "text" | "number" | "integer" | "boolean" | "choice" | "json";

/** One argument of a tool, as a form shows it. */
export interface Argument {
  name: string;
  kind: FieldKind;
  isRequired: boolean;
  description: string;
  choices: string[];
  standard: string;
}

// biome-ignore lint/suspicious/noExplicitAny: a JSON Schema, which whoever made the tool has written
type Any = any;

/** The arguments that a tool's schema names; what a form has no input for is written as JSON. */
export function argumentsOf(schema: Record<string, unknown>): Argument[] {
  const properties = (schema.properties ?? {}) as Record<string, Any>;
  const required = new Set(Array.isArray(schema.required) ? schema.required : []);
  return Object.entries(properties).map(([name, property]) => {
    const told = resolved(schema, property);
    const choices = Array.isArray(told.enum) ? told.enum.filter((each: unknown) => typeof each === "string") : [];
    return {
      name,
      kind: choices.length ? "choice" : kindOf(told),
      isRequired: required.has(name),
      description: String(property?.description ?? told.description ?? ""),
      choices,
      standard: told.default === undefined || told.default === null ? "" : shown(told.default),
    };
  });
}

const shown = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/** What a property means: behind a reference, and without the null that makes it optional. */
function resolved(schema: Any, property: Any): Any {
  let told = property ?? {};
  const place = /^#\/(\$defs|definitions)\/(.+)$/.exec(told.$ref ?? "");
  if (place?.[1] && place[2]) told = { ...schema[place[1]]?.[place[2]], ...told };
  const ways = (told.anyOf ?? told.oneOf ?? []).filter((each: Any) => each?.type !== "null");
  return ways.length === 1 ? { ...resolved(schema, ways[0]), ...told, type: resolved(schema, ways[0]).type } : told;
}

function kindOf(told: Any): FieldKind {
  const type = Array.isArray(told.type) ? told.type.find((each: string) => each !== "null") : told.type;
  if (type === "string") return "text";
  return type === "number" || type === "integer" || type === "boolean" ? type : "json";
}

/** The arguments as a tool takes them. What was left empty and need not be there is left away. */
export function read(given: Argument[], values: Record<string, string>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const argument of given) {
    const text = values[argument.name] ?? "";
    if (text === "" && !(argument.isRequired && argument.kind === "text")) continue;
    found[argument.name] = inputOf(argument, text);
  }
  return found;
}

function inputOf({ name, kind }: Argument, text: string): unknown {
  if (kind === "boolean") return text === "true";
  if (kind === "number" || kind === "integer") {
    const value = Number(text);
    if (!Number.isFinite(value) || (kind === "integer" && !Number.isInteger(value))) {
      throw new Error(`${name} is ${JSON.stringify(text)}, which is no ${kind === "integer" ? "whole " : ""}number.`);
    }
    return value;
  }
  if (kind !== "json") return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${name} is no JSON. Write it as ["a", "b"] or {"key": "value"}.`);
  }
}
