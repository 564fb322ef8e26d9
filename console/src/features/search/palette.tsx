import { useQuery } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { Dialog } from "radix-ui";
import { type KeyboardEvent, useEffect, useState } from "react";
import { ApiError } from "@/lib/api";
import { cn } from "@/lib/cn";
import { ago } from "@/lib/format";
import { KINDS, keyOf, searchQuery, type Thing } from "./api";
import { type Choice, matching } from "./choices";

interface Props {
  isOpen: boolean;
  onClose: () => void;
  /** What was typed before it was there. */
  initial: string;
  /** Screens, actions and recent things, in the order they are shown. */
  choices: Choice[];
  onThing: (thing: Thing) => void;
  onAll: (q: string) => void;
}

const PAUSE_MS = 150;
const EACH = 4;

/** One field that leads everywhere: screens, actions, and everything in the workspace by its words or id. */
export function Palette({ isOpen, onClose, ...rest }: Props) {
  return (
    <Dialog.Root open={isOpen} onOpenChange={(next) => !next && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40" style={{ background: "rgb(0 0 0 / 45%)" }} />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed top-[8dvh] left-1/2 z-50 flex max-h-[80dvh] w-[min(40rem,calc(100vw-1.5rem))] -translate-x-1/2 flex-col overflow-hidden rounded-xl border border-line bg-panel shadow-xl"
        >
          <Dialog.Title className="sr-only">Search and commands</Dialog.Title>
          <Inside onClose={onClose} {...rest} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Inside({ onClose, initial, choices, onThing, onAll }: Omit<Props, "isOpen">) {
  const [typed, setTyped] = useState(initial);
  const [asked, setAsked] = useState("");
  const [at, setAt] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(typed.trim()), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const things = useQuery(searchQuery(asked, EACH));
  const found = typed.trim() && asked ? (things.data?.data ?? []).map((thing) => choiceOf(thing, onThing)) : [];
  const all: Choice[] = typed.trim()
    ? [
        {
          key: "all",
          group: "",
          title: `All results for “${typed.trim()}”`,
          Icon: Search,
          onChoose: () => onAll(typed.trim()),
        },
      ]
    : [];
  const shown = [...matching(choices, typed), ...found, ...all];
  const place = Math.min(at, shown.length - 1);
  const choose = (choice: Choice | undefined) => {
    if (!choice) return;
    onClose();
    choice.onChoose();
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((place + step + shown.length) % shown.length);
    else if (event.key === "Home") setAt(0);
    else if (event.key === "End") setAt(shown.length - 1);
    else if (event.key === "Enter") choose(shown[place]);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <div className="flex items-center gap-3 border-b border-line px-4">
        <Search className="size-5 shrink-0 text-soft" aria-hidden />
        <input
          // biome-ignore lint/a11y/noAutofocus: the dialog is this field
          autoFocus
          role="combobox"
          aria-label="Search or command"
          aria-expanded
          aria-controls="palette"
          aria-activedescendant={shown[place] && `palette-${shown[place].key}`}
          placeholder="Go to, do, or find…"
          maxLength={200}
          className="h-13 min-w-0 flex-1 bg-transparent outline-none"
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
      </div>
      <div id="palette" role="listbox" aria-label="Results" tabIndex={-1} className="min-h-0 overflow-y-auto p-2">
        {shown.map((choice, index) => (
          <Row
            key={choice.key}
            choice={choice}
            isChosen={index === place}
            isFirst={choice.group !== shown[index - 1]?.group}
            onPoint={() => setAt(index)}
            onChoose={() => choose(choice)}
          />
        ))}
      </div>
      <p
        role="status"
        className="min-h-8 border-t border-line px-4 py-1.5 text-xs text-soft empty:min-h-0 empty:border-0 empty:py-0"
      >
        {things.error instanceof ApiError && typed
          ? things.error.message
          : typed && things.isFetching
            ? "Searching…"
            : ""}
        {!typed && "↑ ↓ choose · Enter opens · Esc closes"}
      </p>
    </>
  );
}

interface RowProps {
  choice: Choice;
  isChosen: boolean;
  isFirst: boolean;
  onPoint: () => void;
  onChoose: () => void;
}

function Row({ choice, isChosen, isFirst, onPoint, onChoose }: RowProps) {
  const { key, group, title, text, keys, Icon } = choice;
  return (
    <>
      {isFirst && group && (
        <p role="presentation" className="px-2.5 pt-2 pb-1 text-xs font-medium text-soft">
          {group}
        </p>
      )}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the field above takes the keys for all rows */}
      <div
        id={`palette-${key}`}
        role="option"
        aria-selected={isChosen}
        tabIndex={-1}
        ref={(row) => {
          if (isChosen) row?.scrollIntoView({ block: "nearest" });
        }}
        className={cn("flex cursor-pointer items-center gap-3 rounded-lg px-2.5 py-2", isChosen && "bg-accent-soft")}
        onPointerMove={() => !isChosen && onPoint()}
        onClick={onChoose}
      >
        {Icon && <Icon className="size-4.5 shrink-0 text-soft" aria-hidden />}
        <span className="max-w-full min-w-0 shrink-0 truncate text-sm font-medium">{title}</span>
        <span className="min-w-0 flex-1 truncate text-sm text-soft">{text}</span>
        {keys && <kbd className="shrink-0 font-mono text-xs text-soft">{keys}</kbd>}
      </div>
    </>
  );
}

const choiceOf = (thing: Thing, onThing: (thing: Thing) => void): Choice => ({
  key: keyOf(thing),
  group: KINDS[thing.kind],
  title: thing.title || thing.id.slice(0, 8),
  text: [thing.text, ago(thing.at)].filter(Boolean).join(" · "),
  onChoose: () => onThing(thing),
});
