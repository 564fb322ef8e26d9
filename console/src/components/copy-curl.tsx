import { Terminal } from "lucide-react";
import { serverUrl } from "@/lib/api";
import { toast } from "@/lib/toast";
import { Button } from "./ui/button";

/** What the console asks, as a command. The key stays a variable: what is copied gets pasted into chats. */
export function curl(method: string, path: string, body?: unknown): string {
  const lines = [
    `curl${method === "GET" ? "" : ` -X ${method}`} "${serverUrl()}${path}"`,
    '-H "Authorization: Bearer $GLIA_API_KEY"',
  ];
  if (body !== undefined) {
    lines.push('-H "Content-Type: application/json"', `-d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`);
  }
  return lines.join(" \\\n  ");
}

/** What is asked for, as the end of a path. */
export function queryOf(asked: Iterable<[string, unknown]>): string {
  const query = new URLSearchParams(
    [...asked].flatMap(([name, value]) => (value == null ? [] : [[name, String(value)]])),
  );
  return query.size ? `?${query}` : "";
}

export function CopyCurl({ method = "GET", path, body }: { method?: string; path: string; body?: unknown }) {
  return (
    <Button
      look="quiet"
      title="Copy as curl"
      onClick={() =>
        navigator.clipboard.writeText(curl(method, path, body)).then(
          () => toast.success("The curl command is copied."),
          () => toast.error("The browser does not allow copying here."),
        )
      }
    >
      <Terminal aria-hidden />
      curl
    </Button>
  );
}
