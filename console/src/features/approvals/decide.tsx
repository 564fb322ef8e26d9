import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Check, Pencil, X } from "lucide-react";
import { useId, useState } from "react";
import { Button } from "@/components/ui/button";
import { Check as CheckBox, TextArea } from "@/components/ui/field";
import { pretty } from "@/lib/format";
import { toast } from "@/lib/toast";
import { type Decision, decide } from "./api";

interface Props {
  id: string;
  tool: string;
  /** What the model wrote; when it is not known here, it cannot be changed here. */
  given?: unknown;
  /** Whether the question is asked but this once, so that nothing can be allowed for good. */
  isOnce?: boolean;
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** Allow a call, with other arguments if need be, or deny it with words that the model reads. */
export function Decide({ id, tool, given, isOnce }: Props) {
  const queries = useQueryClient();
  const [edited, setEdited] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const [isAlways, setIsAlways] = useState(false);
  const told = useId();
  const deciding = useMutation({
    mutationFn: (decision: Decision) => decide(id, decision),
    onSuccess: (_, { decision }) => toast.success(`${tool} ${decision === "approved" ? "is allowed" : "is denied"}.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["approvals"] }),
  });
  const meant = edited === null ? undefined : parsed(edited);
  return (
    <div className="space-y-3">
      {edited !== null && (
        <div>
          <TextArea
            aria-label="Arguments as JSON"
            aria-describedby={told}
            aria-invalid={meant === null}
            className="font-mono text-sm"
            rows={5}
            value={edited}
            onChange={(event) => setEdited(event.target.value)}
          />
          <p id={told} className="mt-1 text-sm text-soft">
            {meant === null
              ? "This is not a JSON object yet."
              : "The tool is called with these instead of the model's."}
          </p>
        </div>
      )}
      <TextArea
        aria-label={isOnce ? "Note" : "Note for the model"}
        rows={1}
        placeholder={isOnce ? "Note (optional)" : "Note for the model (optional)"}
        value={note}
        onChange={(event) => setNote(event.target.value)}
      />
      {!isOnce && (
        <CheckBox
          label={`Allow ${tool} from now on without asking`}
          checked={isAlways}
          onChange={(event) => setIsAlways(event.target.checked)}
        />
      )}
      <div className="grid grid-cols-2 gap-2 sm:flex">
        <Button
          look="main"
          className="h-11 sm:h-9"
          disabled={deciding.isPending || meant === null}
          onClick={() =>
            deciding.mutate({ decision: "approved", arguments: meant ?? undefined, note, always: isAlways })
          }
        >
          <Check aria-hidden /> Approve
        </Button>
        <Button
          look="danger"
          className="h-11 sm:h-9"
          disabled={deciding.isPending}
          onClick={() => deciding.mutate({ decision: "denied", note })}
        >
          <X aria-hidden /> Deny
        </Button>
        {given !== undefined && edited === null && (
          <Button className="col-span-2 h-11 sm:h-9" onClick={() => setEdited(pretty(given))}>
            <Pencil aria-hidden /> Change arguments
          </Button>
        )}
      </div>
    </div>
  );
}
