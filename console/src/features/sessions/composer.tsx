import { ArrowUp, Square } from "lucide-react";
import type { KeyboardEvent } from "react";
import { Button } from "@/components/ui/button";
import { useDraft } from "./use-draft";

interface Props {
  /** The session, or null while there is none. */
  session: string | null;
  /** What names the draft while there is no session. */
  place: string;
  isWorking: boolean;
  isSending: boolean;
  onSay: (text: string) => Promise<unknown>;
  onStop: () => void;
}

/** Where one writes. While a run works, what is sent steers it. */
export function Composer({ session, place, isWorking, isSending, onSay, onStop }: Props) {
  const [draft, setDraft] = useDraft(session, place);
  const send = async () => {
    const text = draft.trim();
    if (!text || isSending) return;
    setDraft("");
    try {
      await onSay(text);
    } catch {
      setDraft((now) => now || text); // whoever calls has said what went wrong; the words stay
    }
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      void send();
    }
    if (event.key === "Escape" && isWorking) onStop();
  };
  return (
    <form
      className="mx-auto w-full max-w-3xl px-4 pb-[max(1rem,env(safe-area-inset-bottom))]"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <div className="flex items-end gap-2 rounded-2xl border border-line bg-panel p-2 focus-within:border-accent">
        <textarea
          aria-label="Message"
          rows={1}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKey}
          placeholder={isWorking ? "Steer the run at work…" : "Ask something…"}
          className="field-sizing-content max-h-48 min-h-9 min-w-0 flex-1 resize-none bg-transparent px-2 py-1.5 outline-none"
        />
        {isWorking && (
          <Button size="icon" onClick={onStop} aria-label="Stop" title="Stop (Esc)">
            <Square aria-hidden />
          </Button>
        )}
        <Button size="icon" look="main" type="submit" disabled={!draft.trim() || isSending} aria-label="Send">
          <ArrowUp aria-hidden />
        </Button>
      </div>
    </form>
  );
}
