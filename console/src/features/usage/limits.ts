import { count, counted, money } from "@/lib/format";
import type { Budget } from "./api";

export interface Limit {
  unit: "micros" | "tokens" | "calls";
  name: string;
  limit: number;
  spent: number;
  reserved: number;
  show: (value: number) => string;
}

/** What a budget limits, with what is spent and held of each. */
export function limitsOf(budget: Budget): Limit[] {
  const { state } = budget;
  const all = [
    {
      unit: "micros",
      name: "Money",
      limit: budget.limit_micros,
      spent: state.spent_micros,
      reserved: state.reserved_micros,
      show: money,
    },
    {
      unit: "tokens",
      name: "Tokens",
      limit: budget.limit_tokens,
      spent: state.spent_tokens,
      reserved: state.reserved_tokens,
      show: count,
    },
    {
      unit: "calls",
      name: "Calls",
      limit: budget.limit_calls,
      spent: state.spent_calls,
      reserved: state.reserved_calls,
      show: count,
    },
  ] as const;
  return all.flatMap((each) =>
    each.limit === null || each.limit === undefined ? [] : [{ ...each, limit: each.limit }],
  );
}

export const inUnit = (unit: string, value: number) =>
  unit === "micros" ? money(value) : counted(value, unit === "calls" ? "call" : "token");
