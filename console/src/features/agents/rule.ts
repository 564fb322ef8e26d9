import type { Permission } from "./draft";

export const OPERATIONS = {
  exists: "is given",
  eq: "is",
  ne: "is not",
  lt: "is less than",
  lte: "is at most",
  gt: "is more than",
  gte: "is at least",
  in: "is one of",
  not_in: "is none of",
  contains: "contains",
  starts_with: "starts with",
};

/** A rule about calls whose argument compares like this, as the editor's inputs have it. */
export interface Rule {
  key: number;
  tool: string;
  argument: string;
  op: string;
  value: string;
  permission: Permission;
}

let lastKey = 0;

export const newRule = (): Rule => ({
  key: ++lastKey,
  tool: "*",
  argument: "",
  op: "eq",
  value: "",
  permission: "ask",
});

interface Stored {
  tool: string;
  argument: string;
  op: string;
  value?: unknown;
  permission: string;
}

export const ruleOf = ({ tool, argument, op, value, permission }: Stored, index: number): Rule => ({
  key: -1 - index,
  tool,
  argument,
  op,
  value: typeof value === "string" ? value : value == null ? "" : JSON.stringify(value),
  permission: permission as Permission,
});

/** What was written, as a number, a list or the like where it is one; else as the text that it is. */
export function readValue(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
