import { X } from "lucide-react";
import { Dialog } from "radix-ui";
import { CTRL, setKeys, useKeysOn } from "@/lib/keys";
import { usePlaces } from "./shell";
import { Button } from "./ui/button";
import { Check } from "./ui/field";

const ELSEWHERE: [string, [string, string][]][] = [
  [
    "Anywhere",
    [
      [`${CTRL} K`, "Search and commands"],
      ["/", "The same"],
      ["?", "This overview"],
    ],
  ],
  [
    "In a conversation",
    [
      ["Enter", "Send"],
      ["Shift Enter", "Begin a line"],
      ["Esc", "Stop the run"],
    ],
  ],
  [
    "In a run",
    [
      ["j", "Next event"],
      ["k", "Event before"],
    ],
  ],
];

/** Every key that does something, and the switch for those that stand alone. */
export function Shortcuts({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const areOn = useKeysOn();
  const places = usePlaces().flatMap((group) => group.places);
  const groups: [string, [string, string][]][] = [
    ...ELSEWHERE,
    ["Go to", places.map(({ letter, name }) => [`g ${letter}`, name])],
  ];
  return (
    <Dialog.Root open={isOpen} onOpenChange={(next) => !next && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40" style={{ background: "rgb(0 0 0 / 45%)" }} />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed top-1/2 left-1/2 z-50 max-h-[85dvh] w-[min(42rem,calc(100vw-2rem))] -translate-1/2 overflow-y-auto rounded-xl border border-line bg-panel p-5 shadow-xl"
        >
          <div className="flex items-center justify-between">
            <Dialog.Title className="text-lg font-semibold">Keys</Dialog.Title>
            <Dialog.Close asChild>
              <Button look="quiet" size="icon" aria-label="Close">
                <X aria-hidden />
              </Button>
            </Dialog.Close>
          </div>
          <div className="mt-2 gap-8 sm:columns-2">
            {groups.map(([name, keys]) => (
              <section key={name} className="mb-4 break-inside-avoid">
                <h3 className="mb-1.5 text-sm font-medium text-soft">{name}</h3>
                <dl className="space-y-1 text-sm">
                  {keys.map(([key, what]) => (
                    <div key={key} className="flex justify-between gap-3">
                      <dt className="order-2">
                        <kbd className="rounded border border-line bg-raised px-1.5 py-0.5 font-mono text-xs">
                          {key}
                        </kbd>
                      </dt>
                      <dd>{what}</dd>
                    </div>
                  ))}
                </dl>
              </section>
            ))}
          </div>
          <Check
            label="Single keys are on"
            hint="Off leaves only those with Ctrl, Enter and Esc."
            checked={areOn}
            onChange={(event) => setKeys(event.target.checked)}
          />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
