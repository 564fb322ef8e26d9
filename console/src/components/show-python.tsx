import { Code2, Copy } from "lucide-react";
import { Dialog } from "radix-ui";
import { toast } from "sonner";
import { serverUrl } from "@/lib/api";
import { python } from "@/lib/python";
import { Code } from "./code";
import { Button } from "./ui/button";

/** The same as a program. It needs nothing but Python, so it runs wherever it is pasted. */
export function ShowPython({ method = "GET", path, body }: { method?: string; path: string; body?: unknown }) {
  const text = python(serverUrl(), method, path, body);
  return (
    <Dialog.Root>
      <Dialog.Trigger asChild>
        <Button look="quiet" title="Show as Python">
          <Code2 aria-hidden /> Python
        </Button>
      </Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40" style={{ background: "rgb(0 0 0 / 45%)" }} />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed top-1/2 left-1/2 z-50 w-[min(44rem,calc(100vw-2rem))] -translate-1/2 rounded-xl border border-line bg-panel p-5 shadow-xl"
        >
          <Dialog.Title className="mb-3 font-semibold">As Python</Dialog.Title>
          <Code name="The program" text={text} className="max-h-[60dvh]" />
          <div className="mt-4 flex justify-end gap-2">
            <Dialog.Close asChild>
              <Button>Close</Button>
            </Dialog.Close>
            <Button
              look="main"
              onClick={() =>
                navigator.clipboard.writeText(text).then(
                  () => toast.success("The program is copied."),
                  () => toast.error("The browser does not allow copying here."),
                )
              }
            >
              <Copy aria-hidden /> Copy
            </Button>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
