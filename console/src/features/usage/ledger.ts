import type { Account, Transaction } from "./api";

/** A model call in the ledger: what was held for it, and what became of that. */
export interface Line {
  id: string;
  at: string;
  kind: "call" | "grant" | "adjustment";
  state: "held" | "settled" | "released" | "expired" | "booked";
  run: string | null;
  /** The call of the run, by its number or, for a tool, by its id. */
  step: number | null;
  call: string | null;
  key: string | null;
  note: string;
  by: string;
  /** Micro-dollars: held at first, spent in the end, and the change of the balance over all. */
  held: number;
  spent: number;
  balance: number;
}

const ENDS: Record<string, Line["state"]> = {
  settlement: "settled",
  release: "released",
  expiry: "expired",
  charge: "settled",
};

/** Folds the statement, newest first, into one line for each call, grant and adjustment. A hold whose end lies on this
 *  page and whose beginning on the next one has a line too, until the next page brings the rest. */
export function fold(transactions: readonly Transaction[]): Line[] {
  const lines = new Map<string, Line>();
  for (const transaction of [...transactions].reverse()) {
    const key = transaction.hold_id ?? transaction.id;
    const amount = (account: string) =>
      transaction.entries
        .filter((entry) => entry.account === account)
        .reduce((sum, entry) => sum + entry.amount_micros, 0);
    const line = lines.get(key) ?? begun(key, transaction);
    line.held += Math.max(0, amount("held"));
    line.spent += amount("spent");
    line.balance += amount("balance");
    line.run ??= transaction.run_id;
    line.step ??= transaction.step;
    line.call ??= transaction.tool_call_id;
    line.key ??= transaction.key_id;
    const end = ENDS[transaction.kind];
    if (end) line.state = end;
    line.at = transaction.at;
    lines.set(key, line);
  }
  return [...lines.values()].sort((one, other) => other.at.localeCompare(one.at));
}

const SOURCES: readonly Account[] = ["granted", "adjusted", "shortfall"];

/** What a transaction changes an account by, as the account is shown: sources are kept with the other sign. */
const changeOf = (transaction: Transaction, account: Account) =>
  transaction.entries
    .filter((entry) => entry.account === account)
    .reduce((sum, entry) => sum + (SOURCES.includes(account) ? -entry.amount_micros : entry.amount_micros), 0);

/** What the transactions change an account by together. */
export const sumOf = (transactions: readonly Transaction[], account: Account) =>
  transactions.reduce((sum, transaction) => sum + changeOf(transaction, account), 0);

/** Each change of one account as a line of its own, so that they add up to what it holds. */
export const singly = (transactions: readonly Transaction[], account: Account): Line[] =>
  transactions.map((transaction) => ({
    ...begun(transaction.id, transaction),
    state: ENDS[transaction.kind] ?? (transaction.kind === "hold" ? "held" : "booked"),
    balance: changeOf(transaction, account),
  }));

function begun(id: string, { at, kind, run_id, step, tool_call_id, key_id, note, created_by }: Transaction): Line {
  const isCall = kind !== "grant" && kind !== "adjustment";
  return {
    id,
    at,
    kind: isCall ? "call" : (kind as "grant" | "adjustment"),
    state: isCall ? "held" : "booked",
    run: run_id,
    step,
    call: tool_call_id,
    key: key_id,
    note,
    by: created_by,
    held: 0,
    spent: 0,
    balance: 0,
  };
}

/** Dollars as people write them, as micro-dollars; null for what is no amount. */
export function microsOf(text: string): number | null {
  const found = /^\s*(-?)\$?\s*(\d{1,9})(?:[.,](\d{1,6}))?\s*$/.exec(text);
  if (!found) return null;
  const micros = Number(found[2]) * 1_000_000 + Number((found[3] ?? "").padEnd(6, "0"));
  return found[1] ? -micros : micros;
}

export const dollarsOf = (micros: number) => String(micros / 1e6);
