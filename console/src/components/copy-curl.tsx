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

interface Props {
  method?: string;
  path: string;
  /** What is sent; within a form also what is made of its fields as they are. Secrets are left out of it. */
  body?: unknown | ((form: FormData) => unknown);
}

export function CopyCurl({ method = "GET", path, body }: Props) {
  const copy = async (form: HTMLFormElement | null) => {
    const sent = typeof body === "function" ? body(new FormData(form ?? undefined)) : body;
    await navigator.clipboard.writeText(curl(method, path, sent)).catch(() => {
      throw new Error("The browser does not allow copying here.");
    });
  };
  return (
    <Button
      look="quiet"
      title="Copy as curl"
      onClick={({ currentTarget: { form } }) =>
        copy(form).then(
          () => toast.success("The curl command is copied."),
          (error: Error) => toast.error(error.message),
        )
      }
    >
      <Terminal aria-hidden />
      curl
    </Button>
  );
}
