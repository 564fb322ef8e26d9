import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Problem } from "@/components/problem";
import { Button } from "@/components/ui/button";
import { TextArea } from "@/components/ui/field";
import { useUnsaved } from "@/components/ui/unsaved";
import { toast } from "@/lib/toast";
import { changeWorkflow, createWorkflow, type Definition, validate, type Workflow } from "./api";
import { Graph } from "./graph";
import type { StepDefinition } from "./layout";

const START: Definition = {
  name: "Answer and check",
  input_schema: { type: "object", required: ["question"], properties: { question: { type: "string" } } },
  steps: [
    { id: "answer", kind: "tool", tool: "calculator", arguments: { expression: "{{input.question}}" } },
    { id: "check", kind: "wait_approval", message: "Is {{steps.answer.output}} right?" },
  ],
  output: "{{steps.answer.output}}",
};

export function written(workflow: Workflow): Definition {
  const { name, description, steps, input_schema, output, timeout_seconds } = workflow;
  const optional = { description, input_schema, output, timeout_seconds };
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null && value !== ""));
  return { name, ...given, steps: steps as StepDefinition[] };
}

/** The steps as far as the text can be read; null while it cannot. */
function readable(text: string): Definition | null {
  try {
    const found = JSON.parse(text) as Definition;
    const isRight = Array.isArray(found?.steps) && found.steps.every((step) => typeof step?.id === "string");
    return isRight && new Set(found.steps.map(({ id }) => id)).size === found.steps.length ? found : null;
  } catch {
    return null;
  }
}

/** A workflow's definition as JSON, its graph beside it while one writes. */
export function DefinitionForm({ workflow, onDone }: { workflow?: Workflow; onDone: (workflow: Workflow) => void }) {
  const queries = useQueryClient();
  const [start] = useState(() => JSON.stringify(workflow ? written(workflow) : START, null, 2));
  const [text, setText] = useState(start);
  const definition = readable(text);
  const { question, saved } = useUnsaved({
    what: workflow ? workflow.name : "the new workflow",
    isChanged: definition ? JSON.stringify(definition, null, 2) !== start : text !== start,
    isKept: workflow && (({ edit }) => edit === true),
  });
  const checking = useMutation({ mutationFn: validate });
  const saving = useMutation({
    mutationFn: (body: Definition) => (workflow ? changeWorkflow(workflow.id, body) : createWorkflow(body)),
    onSuccess: (made) => {
      saved();
      toast.success(workflow ? `Version ${made.version} is current.` : "The workflow is made.");
      onDone(made);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["workflows"] }),
  });
  const problems = checking.data?.problems ?? [];
  return (
    <div className="grid gap-5 lg:grid-cols-2">
      {question}
      <Card title="Definition">
        <div className="space-y-3 p-4">
          <TextArea
            aria-label="Definition as JSON"
            aria-invalid={definition === null}
            className="min-h-96 font-mono text-sm"
            spellCheck={false}
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              checking.reset();
            }}
          />
          {definition === null && (
            <p className="text-sm text-bad">This is no JSON with a list of steps yet, each with an id of its own.</p>
          )}
          {checking.data && (
            <div role="status" className="text-sm">
              {problems.length === 0 ? (
                <p className="text-good">Nothing is wrong with it.</p>
              ) : (
                <ul className="list-disc space-y-1 pl-5 text-bad">
                  {problems.map((problem) => (
                    <li key={`${problem.field} ${problem.message}`}>
                      <code className="font-mono">{problem.field}</code>: {problem.message}
                    </li>
                  ))}
                </ul>
              )}
            </div>
          )}
          <Problem of={saving.error ?? checking.error} />
          <div className="flex flex-wrap justify-end gap-2">
            <Button
              disabled={!definition || checking.isPending}
              onClick={() => definition && checking.mutate(definition)}
            >
              Check
            </Button>
            <CopyCurl
              method={workflow ? "PATCH" : "POST"}
              path={workflow ? `/v1/workflows/${workflow.id}` : "/v1/workflows"}
              body={definition ?? {}}
            />
            <Button
              look="main"
              disabled={!definition || saving.isPending}
              onClick={() => definition && saving.mutate(definition)}
            >
              {workflow ? "Save as a new version" : "Make workflow"}
            </Button>
          </div>
        </div>
      </Card>
      <Card title="Graph">
        {definition?.steps.length ? (
          <Graph steps={definition.steps} />
        ) : (
          <p className="p-4 text-soft">The steps stand here.</p>
        )}
      </Card>
    </div>
  );
}
