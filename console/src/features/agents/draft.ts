import type { Schema } from "@/lib/api";
import type { Agent } from "./api";
import { type Rule, readValue, ruleOf } from "./rule";

export type Permission = "always" | "ask" | "never";

/** What the editor holds: the fields it shows, as its inputs have them. */
export interface Draft {
  name: string;
  description: string;
  instructions: string;
  model: string;
  /** null: the ones that are safe for everyone. */
  tools: string[] | null;
  bases: string[];
  maxIterations: string;
  timeoutSeconds: string;
  maxCostDollars: string;
  permission: Permission;
  toolPermissions: Record<string, Permission>;
  rules: Rule[];
}

export const BLANK: Draft = {
  name: "",
  description: "",
  instructions: "",
  model: "",
  tools: null,
  bases: [],
  maxIterations: "",
  timeoutSeconds: "",
  maxCostDollars: "",
  permission: "always",
  toolPermissions: {},
  rules: [],
};

export function draftOf(agent: Agent): Draft {
  return {
    name: agent.name,
    description: agent.description,
    instructions: agent.instructions,
    model: agent.model ?? "",
    tools: agent.tools,
    bases: agent.knowledge_base_ids,
    maxIterations: String(agent.limits.max_iterations),
    timeoutSeconds: String(agent.limits.timeout_seconds),
    maxCostDollars: agent.limits.max_cost_micros === null ? "" : String(agent.limits.max_cost_micros / 1e6),
    permission: agent.permissions.default,
    toolPermissions: agent.permissions.tools,
    rules: agent.permissions.rules.map(ruleOf),
  };
}

/** The body that makes the draft true. What the editor does not show is taken over from the agent. */
export function bodyOf(draft: Draft, agent: Agent | null): Schema["AgentBody"] {
  const limits = {
    ...agent?.limits,
    ...(draft.maxIterations && { max_iterations: Number(draft.maxIterations) }),
    ...(draft.timeoutSeconds && { timeout_seconds: Number(draft.timeoutSeconds) }),
    max_cost_micros: draft.maxCostDollars ? Math.round(Number(draft.maxCostDollars) * 1e6) : null,
  };
  return {
    name: draft.name.trim(),
    description: draft.description,
    instructions: draft.instructions,
    model: draft.model || null,
    tools: draft.tools,
    knowledge_base_ids: draft.bases,
    limits,
    permissions: {
      ...agent?.permissions,
      default: draft.permission,
      tools: draft.toolPermissions,
      rules: draft.rules.map(({ key: _, value, ...rule }) => ({ ...rule, value: readValue(value) })),
    },
  };
}

const SHOWN = [
  "name",
  "description",
  "instructions",
  "model",
  "tools",
  "knowledge_base_ids",
  "limits",
  "permissions",
] as const;

/** The fields in which two versions differ, as text. */
export function differences(before: Record<string, unknown>, after: Record<string, unknown>) {
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
  return SHOWN.filter((field) => text(before[field]) !== text(after[field])).map((field) => ({
    field,
    before: text(before[field]),
    after: text(after[field]),
  }));
}
