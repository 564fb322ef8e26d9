import { Plus, X } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Input, Select } from "@/components/ui/field";
import { Answer } from "./answer";
import { newRule, OPERATIONS, type Rule } from "./rule";

interface Props {
  rules: Rule[];
  onRules: (rules: Rule[]) => void;
  problem: string | null;
}

/** Who is asked depends on the arguments: the first rule that matches decides, before everything above. */
export function Rules({ rules, onRules, problem }: Props) {
  const change = (key: number, next: Partial<Rule>) =>
    onRules(rules.map((rule) => (rule.key === key ? { ...rule, ...next } : rule)));
  return (
    <fieldset className="space-y-2 border-t border-line px-1.5 pt-3">
      <legend className="sr-only">Rules on arguments</legend>
      <p className="text-sm font-medium">Rules on arguments</p>
      <p className="text-sm text-soft">
        The first that matches decides, before all of the above. Any tool is *; an argument inside another is
        order.amount.
      </p>
      {rules.map((rule, index) => {
        const named = (what: string) => `${what} of rule ${index + 1}`;
        return (
          <div key={rule.key} className="grid gap-2 rounded-lg border border-line p-2 sm:grid-cols-[1fr_1fr_9rem_1fr]">
            <Input
              aria-label={named("Tool")}
              required
              placeholder="shop__*"
              value={rule.tool}
              onChange={(event) => change(rule.key, { tool: event.target.value })}
            />
            <Input
              aria-label={named("Argument")}
              placeholder="any call"
              value={rule.argument}
              onChange={(event) => change(rule.key, { argument: event.target.value })}
            />
            <Select
              aria-label={named("Comparison")}
              disabled={!rule.argument}
              value={rule.op}
              onChange={(event) => change(rule.key, { op: event.target.value })}
            >
              {Object.entries(OPERATIONS).map(([op, text]) => (
                <option key={op} value={op}>
                  {text}
                </option>
              ))}
            </Select>
            <Input
              aria-label={named("Value")}
              placeholder={rule.op.endsWith("in") ? '["a", "b"]' : "100"}
              disabled={!rule.argument || rule.op === "exists"}
              value={rule.value}
              onChange={(event) => change(rule.key, { value: event.target.value })}
            />
            <div className="flex items-center gap-2 sm:col-span-4">
              <Answer
                aria-label={named("Answer")}
                className="max-w-52"
                value={rule.permission}
                onAnswer={(permission) => change(rule.key, { permission })}
              />
              <Button
                look="quiet"
                size="icon"
                aria-label={`Take rule ${index + 1} away`}
                onClick={() => onRules(rules.filter(({ key }) => key !== rule.key))}
              >
                <X aria-hidden />
              </Button>
            </div>
          </div>
        );
      })}
      {problem && <p className="text-sm text-bad">{problem}</p>}
      <Button size="small" onClick={() => onRules([...rules, newRule()])}>
        <Plus aria-hidden /> Add a rule
      </Button>
    </fieldset>
  );
}
