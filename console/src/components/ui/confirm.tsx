import { cloneElement, lazy, type ReactElement, Suspense, useState } from "react";

// What nobody is asked is not loaded.
const Question = lazy(() => import("./question"));

export interface Asked {
  title: string;
  text: string;
  action: string;
  /** What leaves everything as it is; "Keep". */
  cancel?: string;
  onConfirm: () => void;
}

/** Asks before something that cannot be undone. The text names what is lost. The child is the button that begins it. */
export function Confirm({ children, ...asked }: Asked & { children: ReactElement<{ onClick?: () => void }> }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      {cloneElement(children, { onClick: () => setIsOpen(true) })}
      {isOpen && (
        <Suspense>
          <Question {...asked} onClose={() => setIsOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
