import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { toast } from "@/lib/toast";
import { type Server, updateServer } from "./api";
import { blankHeader, type Header, HeadersField, headersOf } from "./headers-field";
import { PermissionSelect } from "./permission";
import { problemOf } from "./problem";

/** Where the server is and how it is called. Headers that are kept show their names only. */
export function ServerSettings({ server, id }: { server: Server; id: string }) {
  const queries = useQueryClient();
  const saved = { url: server.url ?? "", timeout: String(server.timeout_seconds), permission: server.permission };
  const [draft, setDraft] = useState(saved);
  const [rows, setRows] = useState<Header[] | null>(null);
  const change = (next: Partial<typeof draft>) => setDraft((before) => ({ ...before, ...next }));
  const changes = {
    ...(draft.url !== saved.url && { url: draft.url.trim() }),
    ...(draft.timeout !== saved.timeout && { timeout_seconds: Number(draft.timeout) }),
    ...(draft.permission !== saved.permission && { permission: draft.permission }),
  };
  const saving = useMutation({
    mutationFn: () => updateServer(id, { ...changes, ...(rows && { headers: headersOf(rows) }) }),
    onSuccess: () => {
      setRows(null);
      toast.success("The connection is changed.");
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["tools"] }),
  });
  const problem = problemOf(saving.error);
  const isChanged = rows !== null || JSON.stringify(draft) !== JSON.stringify(saved);
  return (
    <form
      className="space-y-4 p-4"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate();
      }}
    >
      <Field label="Address" error={problem("url")}>
        {(given) => (
          <Input
            {...given}
            type="url"
            required
            value={draft.url}
            onChange={(event) => change({ url: event.target.value })}
          />
        )}
      </Field>
      <div className="grid gap-4 sm:grid-cols-[minmax(0,1fr)_7.5rem]">
        <Field label="May agents call its tools?" error={problem("permission")}>
          {(given) => (
            <PermissionSelect
              {...given}
              value={draft.permission}
              onPermission={(permission) => permission && change({ permission })}
            />
          )}
        </Field>
        <Field label="Seconds to wait" error={problem("timeout_seconds")}>
          {(given) => (
            <Input
              {...given}
              type="number"
              min={1}
              step="any"
              required
              value={draft.timeout}
              onChange={(event) => change({ timeout: event.target.value })}
            />
          )}
        </Field>
      </div>
      {rows ? (
        <HeadersField rows={rows} onRows={setRows} />
      ) : (
        <div className="flex flex-wrap items-center gap-2 text-sm">
          <span className="text-soft">
            Secret headers: {server.header_names.length ? server.header_names.join(", ") : "none"}
          </span>
          <Button
            size="small"
            onClick={() => setRows((server.header_names.length ? server.header_names : [""]).map(blankHeader))}
          >
            {server.header_names.length ? "Replace them" : "Add some"}
          </Button>
        </div>
      )}
      {saving.error && (
        <p role="alert" className="text-sm text-bad">
          {saving.error.message}
        </p>
      )}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" look="main" disabled={saving.isPending || !isChanged}>
          {saving.isPending ? "Asking it…" : "Save"}
        </Button>
        <CopyCurl
          method="PATCH"
          path={`/v1/mcp-servers/${id}`}
          body={{ ...changes, ...(rows && { headers: Object.fromEntries(rows.map((row) => [row.name, "…"])) }) }}
        />
        {isChanged && (
          <Button
            onClick={() => {
              setDraft(saved);
              setRows(null);
            }}
          >
            Undo changes
          </Button>
        )}
      </div>
    </form>
  );
}
