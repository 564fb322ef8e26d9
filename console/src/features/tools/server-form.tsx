import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { createServer, type Permission, type Server } from "./api";
import { blankHeader, HeadersField, headersOf } from "./headers-field";
import { PermissionSelect } from "./permission";
import { problemOf } from "./problem";

/** A new connection. The server is asked for its tools at once, so what is wrong is told right away. */
export function ServerForm({ onMade }: { onMade: (server: Server) => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [url, setUrl] = useState("");
  const [auth, setAuth] = useState<Server["auth"]>("none");
  const [permission, setPermission] = useState<Permission>("ask");
  const [rows, setRows] = useState([blankHeader("Authorization")]);
  const filled = rows.filter((row) => row.value !== "");
  const body = { name: name.trim(), url: url.trim(), auth, permission, headers: headersOf(filled) };
  const making = useMutation({
    mutationFn: () => createServer(body),
    onSuccess: async (server) => {
      await queries.invalidateQueries({ queryKey: ["tools"] });
      onMade(server);
    },
  });
  const problem = problemOf(making.error);
  return (
    <Card title="An MCP server">
      <form
        className="space-y-4 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          making.mutate();
        }}
      >
        <Field label="Name" hint="The first part of its tools' names, as in tickets__create." error={problem("name")}>
          {(given) => (
            <Input
              {...given}
              required
              autoFocus
              maxLength={32}
              placeholder="tickets"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label="Address" hint="Of its streamable HTTP endpoint." error={problem("url")}>
          {(given) => (
            <Input
              {...given}
              required
              type="url"
              placeholder="https://mcp.example.org/mcp"
              value={url}
              onChange={(event) => setUrl(event.target.value)}
            />
          )}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Sign-in" hint="OAuth when a person has to allow the use of it.">
            {(given) => (
              <Select {...given} value={auth} onChange={(event) => setAuth(event.target.value as Server["auth"])}>
                <option value="none">none, or by header</option>
                <option value="oauth">OAuth</option>
              </Select>
            )}
          </Field>
          <Field label="May agents call its tools?" hint="Each tool can differ later.">
            {(given) => (
              <PermissionSelect {...given} value={permission} onPermission={(next) => setPermission(next || "ask")} />
            )}
          </Field>
        </div>
        <HeadersField rows={rows} onRows={setRows} />
        {making.error && (
          <p role="alert" className="text-sm text-bad">
            {making.error.message}
          </p>
        )}
        <div className="flex flex-wrap gap-2">
          <Button type="submit" look="main" disabled={making.isPending}>
            {making.isPending ? "Asking it for its tools…" : "Connect"}
          </Button>
          <CopyCurl
            method="POST"
            path="/v1/mcp-servers"
            body={{ ...body, headers: Object.fromEntries(filled.map((row) => [row.name, "…"])) }}
          />
        </div>
      </form>
    </Card>
  );
}
