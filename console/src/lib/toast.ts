// What shows messages is not needed for the first paint; it comes right after it, and messages wait for it.
import type { ExternalToast } from "sonner";

const sonner = () => import("sonner");
let last = 0;

const by = (kind: "message" | "success" | "error" | "warning") => (text: string, options?: ExternalToast) => {
  const id = options?.id ?? `message-${++last}`;
  void sonner().then(({ toast }) => toast[kind](text, { ...options, id }));
  return id;
};

/** Says something in passing; the id takes it away again. */
export const toast = Object.assign(by("message"), {
  success: by("success"),
  error: by("error"),
  warning: by("warning"),
  dismiss: (id: number | string) => void sonner().then(({ toast: shown }) => shown.dismiss(id)),
});
