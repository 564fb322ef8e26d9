import { type ReactNode, useMemo, useState } from "react";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import { type Argument, argumentsOf, read } from "./schema";

interface Props {
  schema: Record<string, unknown>;
  isBusy: boolean;
  onCall: (given: Record<string, unknown>) => void;
  /** Beside the button, made of the arguments as they are now. */
  actions: (given: Record<string, unknown>) => ReactNode;
}

/** A form made of a tool's schema; the arguments can also be written as JSON. */
export function ArgumentsForm({ schema, isBusy, onCall, actions }: Props) {
  const fields = useMemo(() => argumentsOf(schema), [schema]);
  const [values, setValues] = useState<Record<string, string>>({});
  const [raw, setRaw] = useState<string | null>(null);
  const [problem, setProblem] = useState("");
  const gather = (): Record<string, unknown> => (raw === null ? read(fields, values) : objectOf(raw));
  const known = () => {
    try {
      return gather();
    } catch {
      return {};
    }
  };
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        try {
          setProblem("");
          onCall(gather());
        } catch (error) {
          setProblem(error instanceof Error ? error.message : "These are no arguments.");
        }
      }}
    >
      {raw !== null ? (
        <Field label="Arguments as JSON">
          {(given) => (
            <TextArea
              {...given}
              rows={8}
              className="font-mono text-sm"
              spellCheck={false}
              value={raw}
              onChange={(event) => setRaw(event.target.value)}
            />
          )}
        </Field>
      ) : (
        <>
          {fields.length === 0 && <p className="text-soft">It takes no arguments.</p>}
          {fields.map((field) => (
            <One
              key={field.name}
              field={field}
              value={values[field.name] ?? ""}
              onValue={(value) => setValues((before) => ({ ...before, [field.name]: value }))}
            />
          ))}
        </>
      )}
      {problem && (
        <p role="alert" className="text-sm text-bad">
          {problem}
        </p>
      )}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="main" disabled={isBusy}>
          {isBusy ? "Calling…" : "Call it"}
        </Button>
        <Button onClick={() => setRaw(raw === null ? JSON.stringify(known(), null, 2) : null)}>
          {raw === null ? "Write JSON" : "Use the form"}
        </Button>
        {actions(known())}
      </div>
    </form>
  );
}

function objectOf(text: string): Record<string, unknown> {
  let found: unknown;
  try {
    found = JSON.parse(text || "{}");
  } catch {
    throw new Error("The arguments are no JSON.");
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) {
    throw new Error('The arguments are one JSON object, as {"text": "hello"}.');
  }
  return found as Record<string, unknown>;
}

function One({ field, value, onValue }: { field: Argument; value: string; onValue: (value: string) => void }) {
  const { name, kind, isRequired, description, choices, standard } = field;
  const shared = { value, required: isRequired, placeholder: standard };
  return (
    <Field label={isRequired ? name : `${name} (optional)`} hint={description}>
      {(given) => {
        if (kind === "choice" || kind === "boolean") {
          return (
            <Select {...given} {...shared} onChange={(event) => onValue(event.target.value)}>
              <option value="">{standard ? `as usual: ${standard}` : "–"}</option>
              {(kind === "boolean" ? ["true", "false"] : choices).map((each) => (
                <option key={each}>{each}</option>
              ))}
            </Select>
          );
        }
        if (kind === "number" || kind === "integer") {
          return (
            <Input
              {...given}
              {...shared}
              inputMode={kind === "integer" ? "numeric" : "decimal"}
              onChange={(event) => onValue(event.target.value)}
            />
          );
        }
        return (
          <TextArea
            {...given}
            {...shared}
            rows={kind === "json" || /code|text|content|sql|body|script|command/.test(name) ? 4 : 1}
            className={kind === "json" ? "font-mono text-sm" : undefined}
            onChange={(event) => onValue(event.target.value)}
          />
        );
      }}
    </Field>
  );
}
