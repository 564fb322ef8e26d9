import type { Webhook } from "@/features/settings/api";

/** How an endpoint is, in a word. */
export function webhookState(webhook: Webhook): { value: string; className: string } {
  if (!webhook.is_active) return { value: webhook.disabled_reason ? "switched off" : "paused", className: "" };
  if (webhook.failing_since) return { value: "failing", className: "bg-bad-soft text-bad" };
  return { value: "active", className: "text-good" };
}
