import { Copy } from "lucide-react";
import { toast } from "@/lib/toast";
import { Button } from "./ui/button";

/** Something that is shown once. */
export function Secret({ name, value }: { name: string; value: string }) {
  return (
    <div className="space-y-2 rounded-lg border border-line bg-warn-soft p-4">
      <p className="text-sm font-medium">{name} is shown only now. Keep it where nobody else reads it.</p>
      <div className="flex items-start gap-2">
        <code className="min-w-0 flex-1 rounded bg-panel px-2 py-1.5 font-mono text-sm break-all">{value}</code>
        <Button
          aria-label={`Copy ${name.toLowerCase()}`}
          onClick={() =>
            navigator.clipboard.writeText(value).then(
              () => toast.success("It is copied."),
              () => toast.error("The browser does not allow copying here; select it."),
            )
          }
        >
          <Copy aria-hidden /> Copy
        </Button>
      </div>
    </div>
  );
}
