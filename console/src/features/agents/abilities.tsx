import { Card } from "@/components/page";
import { Check, Field, Input } from "@/components/ui/field";
import { counted } from "@/lib/format";
import { Answer } from "./answer";
import type { Draft } from "./draft";
import type { Found } from "./editor";
import { NamedTool } from "./named-tool";
import { Rules } from "./rules";

interface Props {
  draft: Draft;
  change: (next: Partial<Draft>) => void;
  choices: Found;
  problem: (field: string) => string | null;
}

const toggled = (list: string[], name: string, isOn: boolean) =>
  isOn ? [...list, name] : list.filter((each) => each !== name);

/** Knowledge, tools with their permissions, and limits. */
export function Abilities({ draft, change, choices, problem }: Props) {
  const standard = choices.tools.filter((tool) => tool.is_default).map((tool) => tool.name);
  const used = draft.tools ?? standard;
  // Names may be patterns such as `shop__*`, or of tools that are gone; they stay until somebody takes them away.
  const others = used.filter((name) => !choices.tools.some((tool) => tool.name === name));
  const tools = [...choices.tools, ...others.map((name) => ({ name, description: "", is_default: false }))];
  return (
    <>
      <Card title="Knowledge">
        <div className="p-3">
          {choices.bases.length === 0 && (
            <p className="p-1.5 text-soft">There is no knowledge base yet; make one under Knowledge.</p>
          )}
          {choices.bases.map((base) => (
            <Check
              key={base.id}
              label={base.name}
              hint={`${counted(base.documents, "document")}`}
              checked={draft.bases.includes(base.id)}
              onChange={(event) => change({ bases: toggled(draft.bases, base.id, event.target.checked) })}
            />
          ))}
        </div>
      </Card>
      <Card title="Tools and approvals">
        <div className="space-y-3 p-3">
          <Check
            label="The built-in tools that are safe for everyone"
            hint={standard.join(", ")}
            checked={draft.tools === null}
            onChange={(event) => change({ tools: event.target.checked ? null : standard })}
          />
          <div className="px-1.5">
            <Field label="Calls that nothing else is said about" error={problem("permissions")}>
              {(given) => (
                <Answer {...given} value={draft.permission} onAnswer={(permission) => change({ permission })} />
              )}
            </Field>
          </div>
          <ul className="divide-y divide-line border-t border-line">
            {tools.map((tool) => {
              const isUsed = used.includes(tool.name);
              if (draft.tools === null && !isUsed) return null;
              return (
                <li key={tool.name} className="flex flex-wrap items-center gap-2 py-1.5">
                  <div className="min-w-0 flex-1 basis-56">
                    <Check
                      label={tool.name}
                      hint={tool.description}
                      checked={isUsed}
                      disabled={draft.tools === null}
                      onChange={(event) => change({ tools: toggled(used, tool.name, event.target.checked) })}
                    />
                  </div>
                  {isUsed && (
                    <Answer
                      aria-label={`May it call ${tool.name}?`}
                      className="w-44"
                      value={draft.toolPermissions[tool.name] ?? ""}
                      onAnswer={(answer) => {
                        const { [tool.name]: _, ...rest } = draft.toolPermissions;
                        change({ toolPermissions: answer ? { ...rest, [tool.name]: answer } : rest });
                      }}
                      withDefault
                    />
                  )}
                </li>
              );
            })}
          </ul>
          {draft.tools !== null && (
            <NamedTool onName={(name) => !used.includes(name) && change({ tools: [...used, name] })} />
          )}
          <Rules
            rules={draft.rules}
            onRules={(rules) => change({ rules })}
            problem={problem("permissions.rules") ?? problem("permissions")}
          />
        </div>
      </Card>
      <Card title="Limits of a run">
        <div className="grid gap-4 p-4 sm:grid-cols-3">
          <Field label="Model calls" error={problem("limits.max_iterations")}>
            {(given) => (
              <Limit
                {...given}
                min={1}
                value={draft.maxIterations}
                onValue={(maxIterations) => change({ maxIterations })}
              />
            )}
          </Field>
          <Field label="Seconds" error={problem("limits.timeout_seconds")}>
            {(given) => (
              <Limit
                {...given}
                min={1}
                value={draft.timeoutSeconds}
                onValue={(timeoutSeconds) => change({ timeoutSeconds })}
              />
            )}
          </Field>
          <Field label="US dollars" hint="Empty for no limit." error={problem("limits.max_cost_micros")}>
            {(given) => (
              <Limit
                {...given}
                min={0}
                step="any"
                value={draft.maxCostDollars}
                onValue={(maxCostDollars) => change({ maxCostDollars })}
              />
            )}
          </Field>
        </div>
      </Card>
    </>
  );
}

type LimitProps = { id: string; min: number; step?: string; value: string; onValue: (value: string) => void };

const Limit = ({ onValue, ...rest }: LimitProps) => (
  <Input
    type="number"
    inputMode="decimal"
    placeholder="default"
    {...rest}
    onChange={(event) => onValue(event.target.value)}
  />
);
