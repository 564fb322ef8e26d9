import { Link } from "@tanstack/react-router";
import { X } from "lucide-react";
import { Dialog } from "radix-ui";
import { Button } from "@/components/ui/button";
import { Passages } from "@/features/knowledge/passages";

interface Props {
  place: { base: string; document: string; chunk: number } | null;
  name: string;
  onClose: () => void;
}

/** The cited passage in its document, beside what one reads. */
export default function SourcePanel({ place, name, onClose }: Props) {
  return (
    <Dialog.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40" style={{ background: "rgb(0 0 0 / 35%)" }} />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed inset-y-0 right-0 z-50 flex w-full max-w-xl flex-col border-l border-line bg-panel shadow-xl"
        >
          <div className="flex items-center gap-2 border-b border-line py-2 pr-2 pl-4">
            <Dialog.Title className="min-w-0 flex-1 truncate font-semibold">{name}</Dialog.Title>
            {place && (
              <Link
                to="/knowledge/$base"
                params={{ base: place.base }}
                search={{ document: place.document, chunk: place.chunk }}
                className="text-sm text-accent underline underline-offset-2"
              >
                Open in Knowledge
              </Link>
            )}
            <Dialog.Close asChild>
              <Button look="quiet" size="icon" aria-label="Close">
                <X aria-hidden />
              </Button>
            </Dialog.Close>
          </div>
          <div className="min-h-0 flex-1">
            {place ? (
              <Passages {...place} />
            ) : (
              <p className="p-4 text-soft">This source lies outside the knowledge bases.</p>
            )}
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
