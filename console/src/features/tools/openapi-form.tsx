import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Button } from "@/components/ui/button";
import { Field, Input, TextArea } from "@/components/ui/field";
import type { Schema } from "@/lib/api";
import { importOpenApi, type Outcome, type Permission, type Toolset } from "./api";
import { type Header, HeadersField, headersOf } from "./headers-field";
import { PermissionSelect } from "./permission";
import { problemOf } from "./problem";

interface Props {
  /** Imported anew under the same name; headers that are not given stay. */
  toolset?: Toolset;
  onMade: (toolset: Toolset) => void;
}

/** Each operation of an OpenAPI document as a tool. A look at what would come is free. */
export function OpenApiForm({ toolset, onMade }: Props) {
  const queries = useQueryClient();
  const [draft, setDraft] = useState({
    name: toolset?.name ?? "",
    url: toolset?.source_url ?? "",
    document: "",
    base_url: toolset?.base_url ?? "",
    include: "",
    exclude: "",
    permission: "" as Permission | "",
  });
  const [rows, setRows] = useState<Header[]>([]);
  const change = (next: Partial<typeof draft>) => setDraft((before) => ({ ...before, ...next }));
  const body: Schema["OpenApiBody"] = {
    name: draft.name.trim(),
    ...(draft.document.trim() ? { document: draft.document } : { url: draft.url.trim() }),
    ...(draft.base_url.trim() && { base_url: draft.base_url.trim() }),
    include: patterns(draft.include),
    exclude: patterns(draft.exclude),
    ...(draft.permission && { permission: draft.permission }),
  };
  const sent = { ...body, ...(rows.length > 0 && { headers: headersOf(rows) }) };
  const looking = useMutation({ mutationFn: () => importOpenApi({ ...sent, dry_run: true }) });
  const importing = useMutation({
    mutationFn: () => importOpenApi(sent),
    onSuccess: async (outcome) => {
      await queries.invalidateQueries({ queryKey: ["tools"] });
      if (outcome.toolset) onMade(outcome.toolset);
    },
  });
  const error = importing.error ?? looking.error;
  const problem = problemOf(error);
  const isBusy = looking.isPending || importing.isPending;
  return (
    <Card title={toolset ? "Import it anew" : "An OpenAPI document"}>
      <form
        className="space-y-4 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          importing.mutate();
        }}
      >
        <div className="grid gap-4 sm:grid-cols-2">
          <Field
            label="Name"
            hint="The first part of its tools' names, as in shop__listOrders."
            error={problem("name")}
          >
            {(given) => (
              <Input
                {...given}
                required
                disabled={toolset !== undefined}
                placeholder="shop"
                value={draft.name}
                onChange={(event) => change({ name: event.target.value })}
              />
            )}
          </Field>
          <Field label="Address of the document" error={problem("url")}>
            {(given) => (
              <Input
                {...given}
                type="url"
                placeholder="https://shop.example.org/openapi.json"
                value={draft.url}
                onChange={(event) => change({ url: event.target.value })}
              />
            )}
          </Field>
        </div>
        <Field label="Or the document itself" hint="OpenAPI 3 or Swagger 2, JSON or YAML." error={problem("document")}>
          {(given) => (
            <TextArea
              {...given}
              rows={4}
              spellCheck={false}
              className="font-mono text-sm"
              value={draft.document}
              onChange={(event) => change({ document: event.target.value })}
            />
          )}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Server" hint="Instead of the document's own." error={problem("base_url")}>
            {(given) => (
              <Input {...given} value={draft.base_url} onChange={(event) => change({ base_url: event.target.value })} />
            )}
          </Field>
          <Field label="May agents call them?" error={problem("permission")}>
            {(given) => (
              <PermissionSelect
                {...given}
                value={draft.permission}
                standard="without asking, or as before"
                onPermission={(permission) => change({ permission })}
              />
            )}
          </Field>
          <Field
            label="Only these"
            hint="Patterns such as list* or GET /orders/*, by comma."
            error={problem("include")}
          >
            {(given) => (
              <Input {...given} value={draft.include} onChange={(event) => change({ include: event.target.value })} />
            )}
          </Field>
          <Field label="Without these" error={problem("exclude")}>
            {(given) => (
              <Input {...given} value={draft.exclude} onChange={(event) => change({ exclude: event.target.value })} />
            )}
          </Field>
        </div>
        {toolset && toolset.header_names.length > 0 && rows.length === 0 && (
          <p className="text-sm text-soft">
            The secret headers {toolset.header_names.join(", ")} stay unless you give them anew.
          </p>
        )}
        <HeadersField rows={rows} onRows={setRows} />
        {error && (
          <p role="alert" className="text-sm break-words text-bad">
            {error.message}
          </p>
        )}
        <div className="flex flex-wrap gap-2">
          <Button type="submit" look="main" disabled={isBusy || !draft.name.trim()}>
            {importing.isPending ? "Importing…" : "Import"}
          </Button>
          <Button disabled={isBusy || !draft.name.trim()} onClick={() => looking.mutate()}>
            What would come?
          </Button>
          <CopyCurl method="POST" path="/v1/toolsets/openapi" body={body} />
        </div>
      </form>
      {looking.data && <Plan outcome={looking.data} />}
    </Card>
  );
}

const patterns = (text: string) =>
  text
    .split(",")
    .map((each) => each.trim())
    .filter(Boolean);

function Plan({ outcome }: { outcome: Outcome }) {
  return (
    <section aria-label="What would come" className="border-t border-line">
      <ul className="max-h-80 divide-y divide-line overflow-y-auto">
        {outcome.tools.map((tool) => (
          <li key={tool.name} className="px-4 py-2 text-sm">
            <span className="font-mono font-medium break-all">{tool.name}</span>{" "}
            <span className="text-soft">
              {tool.method} {tool.url}
            </span>
          </li>
        ))}
        {outcome.skipped.map((one) => (
          <li key={one.operation} className="px-4 py-2 text-sm text-warn">
            {one.operation}: {one.reason}
          </li>
        ))}
      </ul>
      {outcome.removed.length > 0 && (
        <p className="border-t border-line px-4 py-2 text-sm text-bad">Would go: {outcome.removed.join(", ")}</p>
      )}
    </section>
  );
}
