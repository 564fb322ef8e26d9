import { GitBranch, RotateCw } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { TextArea } from "@/components/ui/field";
import type { UserItem } from "./transcript";

export function UserMessage({ message, onBranch }: { message: UserItem; onBranch?: (text: string) => void }) {
  const [draft, setDraft] = useState<string | null>(null);
  if (draft !== null) {
    return (
      <form
        className="ml-auto max-w-xl space-y-2"
        onSubmit={(event) => {
          event.preventDefault();
          onBranch?.(draft);
          setDraft(null);
        }}
      >
        <TextArea
          aria-label="Your message, changed"
          rows={3}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
        />
        <div className="flex justify-end gap-2">
          <Button size="small" onClick={() => setDraft(null)}>
            Leave it
          </Button>
          <Button size="small" look="main" type="submit" disabled={!draft.trim()}>
            Ask in a branch
          </Button>
        </div>
      </form>
    );
  }
  return (
    <div className="group flex flex-col items-end gap-1">
      <p className="max-w-[85%] rounded-2xl rounded-br-md bg-accent-soft px-4 py-2 break-words whitespace-pre-wrap">
        {message.text}
      </p>
      {onBranch && (
        <div className="flex">
          <Button look="quiet" size="small" onClick={() => setDraft(message.text)}>
            <GitBranch aria-hidden /> Edit
          </Button>
          <Button
            look="quiet"
            size="small"
            onClick={() => onBranch(message.text)}
            title="Ask the same again in a branch"
          >
            <RotateCw aria-hidden /> Again
          </Button>
        </div>
      )}
    </div>
  );
}
