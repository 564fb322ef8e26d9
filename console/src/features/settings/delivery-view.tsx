import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { RotateCcw } from "lucide-react";
import type { ReactNode } from "react";
import { Code } from "@/components/code";
import { Details } from "@/components/details";
import { Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { duration, moment, pretty } from "@/lib/format";
import { toast } from "@/lib/toast";
import { deliveryQuery, redeliver } from "./api";

interface Props {
  webhook: string;
  delivery: string;
  link: (run: string, children: ReactNode, event?: number) => ReactNode;
}

/** One delivery: what was sent, and what each attempt was answered. */
export function DeliveryView({ webhook, delivery, link }: Props) {
  const queries = useQueryClient();
  const found = useQuery(deliveryQuery(webhook, delivery));
  const again = useMutation({
    mutationFn: () => redeliver(webhook, delivery),
    onSuccess: () => toast.success("It is sent again."),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["webhooks", webhook] }),
  });
  return (
    <Shown of={found} what="the delivery">
      {(told) => (
        <div className="space-y-4">
          <Details
            of={[
              [
                "State",
                <Status key="state" value={told.status} className={told.status === "delivered" ? "text-good" : ""} />,
              ],
              ["Event", told.run_id ? link(told.run_id, told.type, told.seq ?? undefined) : told.type],
              [
                "webhook-id",
                <code key="id" className="font-mono break-all">
                  {told.webhook_id}
                </code>,
              ],
              ["Attempts", String(told.attempts)],
              ["Next", told.next_at ? moment(told.next_at) : "none"],
              ["Delivered", told.delivered_at ? moment(told.delivered_at) : "not yet"],
            ]}
          />
          <div className="space-y-3 px-4 pb-4">
            {told.type !== "webhook.ping" && (
              <Button disabled={again.isPending || told.status === "pending"} onClick={() => again.mutate()}>
                <RotateCcw aria-hidden /> Send again
              </Button>
            )}
            <h3 className="text-sm font-medium">Sent</h3>
            {told.body === null || told.body === undefined ? (
              <p className="text-sm text-soft">Its event is no longer in the log.</p>
            ) : (
              <Code name="Body that is sent" text={pretty(told.body)} />
            )}
            <h3 className="text-sm font-medium">Answers</h3>
            {told.log.length === 0 && <p className="text-sm text-soft">No attempt yet.</p>}
            <ol className="space-y-2">
              {[...told.log].reverse().map((attempt) => (
                <li key={attempt.number} className="rounded-lg border border-line p-3 text-sm">
                  <p className="flex flex-wrap justify-between gap-x-3">
                    <span className="font-medium">
                      {attempt.number}. {attempt.status === null ? "no answer" : `status ${attempt.status}`}
                    </span>
                    <span className="text-soft">
                      {moment(attempt.at)} · {duration(attempt.latency_ms)}
                    </span>
                  </p>
                  {attempt.error && <p className="mt-1 break-words text-bad">{attempt.error}</p>}
                  {attempt.response && (
                    <Code name={`Answer ${attempt.number}`} text={attempt.response} className="mt-2 max-h-40" />
                  )}
                </li>
              ))}
            </ol>
          </div>
        </div>
      )}
    </Shown>
  );
}
