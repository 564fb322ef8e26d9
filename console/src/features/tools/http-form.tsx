import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Button } from "@/components/ui/button";
import { Field, Input, Select, TextArea } from "@/components/ui/field";
import type { Schema } from "@/lib/api";
import { type Custom, createTool, type Effect, type Permission, updateTool } from "./api";
import { blankHeader, type Header, HeadersField, headersOf } from "./headers-field";
import { PermissionSelect } from "./permission";
import { problemOf } from "./problem";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const EFFECTS: [Effect, string][] = [
  ["read", "only reads"],
  ["idempotent", "twice is as once"],
  ["once", "must not happen twice"],
];
const SAMPLE = `{
  "type": "object",
  "properties": { "city": { "type": "string", "description": "Where" } },
  "required": ["city"]
}`;

/** An endpoint as a tool, made or changed. Headers that are kept are replaced or stay; they are never read back. */
export function HttpForm({ tool, onSaved }: { tool: Custom | null; onSaved: (tool: Custom) => void }) {
  const queries = useQueryClient();
  const [draft, setDraft] = useState({
    name: tool?.name ?? "",
    description: tool?.description ?? "",
    method: tool?.http.method ?? "GET",
    url: tool?.http.url ?? "",
    schema: tool ? JSON.stringify(tool.schema, null, 2) : SAMPLE,
    effect: tool?.effect ?? ("read" as Effect),
    permission: tool?.permission ?? ("always" as Permission),
  });
  const [rows, setRows] = useState<Header[] | null>(tool ? null : []);
  const [schemaProblem, setSchemaProblem] = useState("");
  const change = (next: Partial<typeof draft>) => setDraft((before) => ({ ...before, ...next }));
  const body = (hide: boolean): Schema["ToolBody"] | null => {
    const schema = objectOf(draft.schema);
    const headers = rows && (hide ? Object.fromEntries(rows.map(({ name }) => [name, "…"])) : headersOf(rows));
    return (
      schema && {
        name: draft.name.trim(),
        description: draft.description,
        schema,
        http: { url: draft.url.trim(), method: draft.method, ...(headers && { headers }) },
        effect: draft.effect,
        permission: draft.permission,
      }
    );
  };
  const saving = useMutation({
    mutationFn: (made: Schema["ToolBody"]) => (tool ? updateTool(tool.id, made) : createTool(made)),
    onSuccess: async (saved) => {
      await queries.invalidateQueries({ queryKey: ["tools"] });
      onSaved(saved);
    },
  });
  const problem = problemOf(saving.error);
  return (
    <Card title={tool ? "The endpoint" : "An HTTP tool"}>
      <form
        className="space-y-4 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          const made = body(false);
          setSchemaProblem(made ? "" : "The schema is no JSON object.");
          if (made) saving.mutate(made);
        }}
      >
        <div className="grid gap-4 sm:grid-cols-[14rem_minmax(0,1fr)]">
          <Field label="Name" error={problem("name")}>
            {(given) => (
              <Input
                {...given}
                required
                placeholder="weather"
                value={draft.name}
                onChange={(event) => change({ name: event.target.value })}
              />
            )}
          </Field>
          <Field label="What it is for" hint="The model chooses by this." error={problem("description")}>
            {(given) => (
              <Input
                {...given}
                required
                value={draft.description}
                onChange={(event) => change({ description: event.target.value })}
              />
            )}
          </Field>
        </div>
        <div className="grid gap-4 sm:grid-cols-[8rem_minmax(0,1fr)]">
          <Field label="Method" error={problem("method")}>
            {(given) => (
              <Select {...given} value={draft.method} onChange={(event) => change({ method: event.target.value })}>
                {METHODS.map((method) => (
                  <option key={method}>{method}</option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="Address" hint="Arguments may stand in it as {city}." error={problem("url") ?? problem("http")}>
            {(given) => (
              <Input
                {...given}
                required
                placeholder="https://api.example.org/weather/{city}"
                value={draft.url}
                onChange={(event) => change({ url: event.target.value })}
              />
            )}
          </Field>
        </div>
        <Field label="Schema of its arguments" error={schemaProblem || problem("schema")}>
          {(given) => (
            <TextArea
              {...given}
              rows={8}
              spellCheck={false}
              className="font-mono text-sm"
              value={draft.schema}
              onChange={(event) => change({ schema: event.target.value })}
            />
          )}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="What calling it twice would do" hint="After a crash only harmless calls are made again.">
            {(given) => (
              <Select
                {...given}
                value={draft.effect}
                onChange={(event) => change({ effect: event.target.value as Effect })}
              >
                {EFFECTS.map(([effect, text]) => (
                  <option key={effect} value={effect}>
                    {text}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label="May agents call it?">
            {(given) => (
              <PermissionSelect
                {...given}
                value={draft.permission}
                onPermission={(permission) => permission && change({ permission })}
              />
            )}
          </Field>
        </div>
        {rows ? (
          <HeadersField rows={rows} onRows={setRows} />
        ) : (
          <div className="flex flex-wrap items-center gap-2 text-sm">
            <span className="text-soft">Secret headers: {tool?.http.header_names.join(", ") || "none"}</span>
            <Button
              size="small"
              onClick={() => setRows((tool?.http.header_names.length ? tool.http.header_names : [""]).map(blankHeader))}
            >
              {tool?.http.header_names.length ? "Replace them" : "Add some"}
            </Button>
          </div>
        )}
        {saving.error && (
          <p role="alert" className="text-sm text-bad">
            {saving.error.message}
          </p>
        )}
        <div className="flex flex-wrap gap-2">
          <Button type="submit" look="main" disabled={saving.isPending}>
            {tool ? "Save" : "Make the tool"}
          </Button>
          <CopyCurl
            method={tool ? "PATCH" : "POST"}
            path={tool ? `/v1/tools/${tool.id}` : "/v1/tools"}
            body={body(true) ?? {}}
          />
        </div>
      </form>
    </Card>
  );
}

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null && !Array.isArray(found)
      ? (found as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
