import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Play, RotateCw, Square } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { type Deployment, order, scale } from "./api";

function useOrders() {
  const queries = useQueryClient();
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["deployments"] });
  return { onError, onSettled };
}

/** Start, stop and restart; stopping can be taken back. */
export function Orders({ deployment }: { deployment: Deployment }) {
  const { onError, onSettled } = useOrders();
  const ordering = useMutation({
    mutationFn: (what: "start" | "stop" | "restart") => order(deployment.id, what),
    onSuccess: (_, what) => {
      if (what === "stop") reversible(`${deployment.name} is stopped.`, () => order(deployment.id, "start"));
      else toast.success(`${deployment.name} ${what === "start" ? "starts" : "restarts, replica by replica"}.`);
    },
    onError,
    onSettled,
  });
  const isStopped = deployment.status === "stopped";
  return (
    <>
      {isStopped ? (
        <Button look="main" disabled={ordering.isPending} onClick={() => ordering.mutate("start")}>
          <Play aria-hidden /> Start
        </Button>
      ) : (
        <>
          <Button disabled={ordering.isPending} onClick={() => ordering.mutate("restart")}>
            <RotateCw aria-hidden /> Restart
          </Button>
          <Button disabled={ordering.isPending} onClick={() => ordering.mutate("stop")}>
            <Square aria-hidden /> Stop
          </Button>
        </>
      )}
    </>
  );
}

/** How many copies are wanted. */
export function Scale({ deployment }: { deployment: Deployment }) {
  const { onError, onSettled } = useOrders();
  const [draft, setDraft] = useState<string | null>(null);
  const scaling = useMutation({
    mutationFn: (replicas: number) => scale(deployment.id, replicas),
    onSuccess: (found) => {
      setDraft(null);
      reversible(`${found.replicas} wanted.`, () => scale(deployment.id, deployment.replicas).then(onSettled));
    },
    onError,
    onSettled,
  });
  return (
    <form
      className="flex items-center gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        scaling.mutate(Number(draft ?? deployment.replicas));
      }}
    >
      <Input
        type="number"
        min={0}
        max={100}
        required
        aria-label="Replicas wanted"
        className="w-20"
        value={draft ?? deployment.replicas}
        onChange={(event) => setDraft(event.target.value)}
      />
      <Button type="submit" size="small" disabled={scaling.isPending || draft === null}>
        Scale
      </Button>
    </form>
  );
}
