import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import type { Schema } from "@/lib/api";
import { createRecipe, type Recipe } from "./api";
import { problemOf } from "./problem";

type Kind = Recipe["kind"];

const KINDS: Record<Kind, { title: string; hint: string; config: unknown; schema: unknown }> = {
  code: {
    title: "a program",
    hint: "It runs in a sandbox and finds its arguments in args.",
    config: { language: "python", code: "print(args['text'].upper())" },
    schema: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  },
  tool: {
    title: "another tool with fixed arguments",
    hint: "The arguments given here are fixed; the schema has those that are left.",
    config: { tool: "calculator", arguments: {} },
    schema: { type: "object", properties: { expression: { type: "string" } }, required: ["expression"] },
  },
  http: {
    title: "an endpoint",
    hint: "The arguments are sent to the address.",
    config: { url: "https://api.example.org/things", method: "POST", timeout_seconds: 30 },
    schema: { type: "object", properties: {} },
  },
};

/** A tool made from what is there. */
export function RecipeForm({ onMade }: { onMade: (recipe: Recipe) => void }) {
  const queries = useQueryClient();
  const [kind, setKind] = useState<Kind>("code");
  const [texts, setTexts] = useState(textsOf("code"));
  const [problemOfJson, setProblemOfJson] = useState("");
  const [names, setNames] = useState({ name: "", description: "" });
  const making = useMutation({
    mutationFn: createRecipe,
    onSuccess: async (recipe) => {
      await queries.invalidateQueries({ queryKey: ["tools"] });
      onMade(recipe);
    },
  });
  const body = (): Schema["RecipeBody"] | null => {
    try {
      const schema = JSON.parse(texts.schema);
      const config = kind === "code" ? { language: texts.language, code: texts.code } : JSON.parse(texts.config);
      return { ...names, kind, schema, config };
    } catch {
      return null;
    }
  };
  const problem = problemOf(making.error);
  const change = (next: Partial<typeof texts>) => setTexts((before) => ({ ...before, ...next }));
  return (
    <Card title="A recipe">
      <form
        className="space-y-4 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          const made = body();
          setProblemOfJson(made ? "" : "What is written here is no JSON.");
          if (made) making.mutate(made);
        }}
      >
        <div className="grid gap-4 sm:grid-cols-3">
          <Field label="Made of" hint={KINDS[kind].hint}>
            {(given) => (
              <Select
                {...given}
                value={kind}
                onChange={(event) => {
                  setKind(event.target.value as Kind);
                  setTexts(textsOf(event.target.value as Kind));
                }}
              >
                {Object.entries(KINDS).map(([value, { title }]) => (
                  <option key={value} value={value}>
                    {title}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="Name" error={problem("name")}>
            {(given) => (
              <Input
                {...given}
                required
                placeholder="shout"
                value={names.name}
                onChange={(event) => setNames({ ...names, name: event.target.value })}
              />
            )}
          </Field>
          <Field label="What it is for" error={problem("description")}>
            {(given) => (
              <Input
                {...given}
                required
                value={names.description}
                onChange={(event) => setNames({ ...names, description: event.target.value })}
              />
            )}
          </Field>
        </div>
        {kind === "code" ? (
          <>
            <Field label="Language">
              {(given) => (
                <Select
                  {...given}
                  value={texts.language}
                  onChange={(event) => change({ language: event.target.value })}
                >
                  {["python", "javascript", "shell"].map((each) => (
                    <option key={each}>{each}</option>
                  ))}
                </Select>
              )}
            </Field>
            <Text name="Program" value={texts.code} onValue={(code) => change({ code })} error={problem("config")} />
          </>
        ) : (
          <Text
            name="How it is made, as JSON"
            value={texts.config}
            onValue={(config) => change({ config })}
            error={problemOfJson || problem("config")}
          />
        )}
        <Text
          name="Schema of its arguments"
          value={texts.schema}
          onValue={(schema) => change({ schema })}
          error={problemOfJson || problem("schema")}
        />
        {making.error && (
          <p role="alert" className="text-sm text-bad">
            {making.error.message}
          </p>
        )}
        <div className="flex flex-wrap gap-2">
          <Button type="submit" look="main" disabled={making.isPending}>
            Make the tool
          </Button>
          <CopyCurl method="POST" path="/v1/tool-recipes" body={body() ?? {}} />
        </div>
      </form>
    </Card>
  );
}

function textsOf(kind: Kind) {
  const { config, schema } = KINDS[kind];
  const json = (value: unknown) => JSON.stringify(value, null, 2);
  return { config: json(config), schema: json(schema), language: "python", code: "print(args['text'].upper())" };
}

interface TextProps {
  name: string;
  value: string;
  onValue: (value: string) => void;
  error: string | null;
}

const Text = ({ name, value, onValue, error }: TextProps) => (
  <Field label={name} error={error}>
    {(given) => (
      <TextArea
        {...given}
        rows={7}
        spellCheck={false}
        className="font-mono text-sm"
        value={value}
        onChange={(event) => onValue(event.target.value)}
      />
    )}
  </Field>
);
