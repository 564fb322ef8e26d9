import { Code2, Copy } from "lucide-react";
import { useState } from "react";
import { serverUrl } from "@/lib/api";
import { python } from "@/lib/python";
import { toast } from "@/lib/toast";
import { Code } from "./code";
import { Modal } from "./modal";
import { Button } from "./ui/button";

/** The same as a program. It needs nothing but Python, so it runs wherever it is pasted. */
export function ShowPython({ method = "GET", path, body }: { method?: string; path: string; body?: unknown }) {
  const [isOpen, setIsOpen] = useState(false);
  const text = python(serverUrl(), method, path, body);
  return (
    <>
      <Button look="quiet" title="Show as Python" onClick={() => setIsOpen(true)}>
        <Code2 aria-hidden /> Python
      </Button>
      <Modal title="As Python" isOpen={isOpen} onClose={() => setIsOpen(false)}>
        <Code name="The program" text={text} className="max-h-[60dvh]" />
        <div className="flex justify-end">
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
      </Modal>
    </>
  );
}
