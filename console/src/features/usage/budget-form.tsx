import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Problem } from "@/components/problem";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { reversible } from "@/lib/undo";
import { type Budget, type BudgetBody, changeBudget, createBudget, deleteBudget } from "./api";
import { dollarsOf, microsOf } from "./ledger";

interface Choice {
  id: string;
  name: string;
}

interface Props {
  /** The budget that is changed; left away for a new one. */
  budget?: Budget;
  agents: Choice[];
  keys: Choice[];
  onDone: (budget: Budget) => void;
}

const PERIODS = ["total", "hour", "day", "week", "month", "year"] as const;

/** What is wrong with a field, or the number in it; null for an empty one. */
function whole(text: string, name: string): number | null {
  if (!text.trim()) return null;
  const value = Number(text.replaceAll(",", ""));
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} must be a whole number.`);
  return value;
}

function limitsIn(form: FormData) {
  const text = (name: string) => String(form.get(name) ?? "");
  const micros = text("dollars").trim() ? microsOf(text("dollars")) : null;
  if (text("dollars").trim() && (micros === null || micros < 0)) throw new Error("Dollars are written as 12.50.");
  const limits = {
    limit_micros: micros,
    limit_tokens: whole(text("tokens"), "Tokens"),
    limit_calls: whole(text("calls"), "Calls"),
  };
  if (Object.values(limits).every((value) => value === null)) throw new Error("Limit money, tokens or calls.");
  return limits;
}

const changesIn = (form: FormData) => ({ name: String(form.get("name") ?? "").trim(), ...limitsIn(form) });

/** Makes a budget, or raises and lowers one. */
export function BudgetForm({ budget, agents, keys, onDone }: Props) {
  const queries = useQueryClient();
  const [scope, setScope] = useState<BudgetBody["scope"]>(budget?.scope ?? "workspace");
  const bodyOf = (form: FormData) => {
    const { name, ...limits } = changesIn(form);
    return {
      scope,
      name,
      period: String(form.get("period")) as BudgetBody["period"],
      ...(scope === "workspace" ? {} : { subject_id: String(form.get("subject") ?? "").trim() }),
      ...Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== null)),
    };
  };
  const saving = useMutation({
    mutationFn: async (form: FormData) =>
      budget ? changeBudget(budget.id, changesIn(form)) : createBudget(bodyOf(form)),
    onSuccess: (made) => {
      if (budget) {
        const { name, limit_micros, limit_tokens, limit_calls } = budget;
        reversible("The budget is changed.", async () => {
          await changeBudget(budget.id, { name, limit_micros, limit_tokens, limit_calls });
          await queries.invalidateQueries({ queryKey: ["budgets"] });
        });
      } else {
        reversible("The budget is in force.", async () => {
          await deleteBudget(made.id);
          await queries.invalidateQueries({ queryKey: ["budgets"] });
        });
      }
      onDone(made);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["budgets"] }),
  });
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    saving.mutate(new FormData(event.currentTarget));
  };
  const choices = scope === "agent" ? agents : scope === "key" ? keys : null;
  return (
    <form className="space-y-4" onSubmit={onSubmit}>
      <Field label="Name" hint="For people; may be left empty.">
        {(given) => <Input {...given} name="name" maxLength={200} defaultValue={budget?.name} />}
      </Field>
      {!budget && (
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Limits">
            {(given) => (
              <Select
                {...given}
                value={scope}
                onChange={(event) => setScope(event.target.value as BudgetBody["scope"])}
              >
                <option value="workspace">the whole workspace</option>
                <option value="agent">an agent</option>
                <option value="key">a key</option>
                <option value="session">a conversation</option>
                <option value="run">a run</option>
                <option value="project">a project</option>
              </Select>
            )}
          </Field>
          <Field label="Period" hint="In UTC; a total never starts anew.">
            {(given) => (
              <Select {...given} name="period" defaultValue="month">
                {PERIODS.map((period) => (
                  <option key={period}>{period}</option>
                ))}
              </Select>
            )}
          </Field>
          {scope !== "workspace" && (
            <Field label={`Which ${scope}`}>
              {(given) =>
                choices ? (
                  <Select {...given} name="subject" required>
                    {choices.map(({ id, name }) => (
                      <option key={id} value={id}>
                        {name}
                      </option>
                    ))}
                  </Select>
                ) : (
                  <Input {...given} name="subject" required placeholder="Its id" />
                )
              }
            </Field>
          )}
        </div>
      )}
      <div className="grid gap-4 sm:grid-cols-3">
        <Field label="Dollars">
          {(given) => (
            <Input
              {...given}
              name="dollars"
              inputMode="decimal"
              placeholder="no limit"
              defaultValue={budget?.limit_micros == null ? "" : dollarsOf(budget.limit_micros)}
            />
          )}
        </Field>
        <Field label="Tokens">
          {(given) => (
            <Input
              {...given}
              name="tokens"
              inputMode="numeric"
              placeholder="no limit"
              defaultValue={budget?.limit_tokens ?? ""}
            />
          )}
        </Field>
        <Field label="Calls">
          {(given) => (
            <Input
              {...given}
              name="calls"
              inputMode="numeric"
              placeholder="no limit"
              defaultValue={budget?.limit_calls ?? ""}
            />
          )}
        </Field>
      </div>
      <Problem of={saving.error} />
      <div className="flex justify-end gap-2">
        <CopyCurl
          method={budget ? "PATCH" : "POST"}
          path={budget ? `/v1/budgets/${budget.id}` : "/v1/budgets"}
          body={budget ? changesIn : bodyOf}
        />
        <Button type="submit" look="main" disabled={saving.isPending}>
          {budget ? "Save" : "Make budget"}
        </Button>
      </div>
    </form>
  );
}
