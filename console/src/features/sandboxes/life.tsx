import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Clock, Pause, Play, Trash2 } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { toast } from "@/lib/toast";
import { deleteSandbox, pauseSandbox, resumeSandbox, type Sandbox, sandboxQuery, setLease } from "./api";

const HOUR_SECONDS = 3600;

/** Pause, go on, keep for longer, end. */
export function LifeActions({ sandbox }: { sandbox: Sandbox }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const onError = (error: Error) => toast.error(error.message);
  const onSuccess = (found: Sandbox) => queries.setQueryData(sandboxQuery(sandbox.id).queryKey, found);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["sandboxes"] });
  const pausing = useMutation({ mutationFn: () => pauseSandbox(sandbox.id), onSuccess, onError, onSettled });
  const resuming = useMutation({ mutationFn: () => resumeSandbox(sandbox.id), onSuccess, onError, onSettled });
  const keeping = useMutation({
    mutationFn: () => setLease(sandbox.id, HOUR_SECONDS),
    onSuccess: (found) => {
      onSuccess(found);
      toast.success("It stays for an hour after each use.");
    },
    onError,
    onSettled,
  });
  const removing = useMutation({
    mutationFn: () => deleteSandbox(sandbox.id),
    onSuccess: async () => {
      await navigate({ to: "/sandboxes" });
      queries.removeQueries({ queryKey: ["sandbox", sandbox.id] });
      await onSettled();
    },
    onError,
  });
  const { status } = sandbox;
  return (
    <>
      {status === "running" && (
        <Button disabled={pausing.isPending} onClick={() => pausing.mutate()}>
          <Pause aria-hidden /> Pause
        </Button>
      )}
      {(status === "paused" || status === "sleeping") && (
        <Button look="main" disabled={resuming.isPending} onClick={() => resuming.mutate()}>
          <Play aria-hidden /> {status === "paused" ? "Go on" : "Wake it"}
        </Button>
      )}
      {status !== "stopped" && (
        <>
          <Button
            disabled={keeping.isPending || sandbox.lease_seconds >= HOUR_SECONDS}
            onClick={() => keeping.mutate()}
          >
            <Clock aria-hidden /> Keep for an hour
          </Button>
          <Confirm
            title="Stop and delete it?"
            text="Everything that runs in it is killed, and its files are removed. Snapshots of it stay."
            action="Delete"
            onConfirm={() => removing.mutate()}
          >
            <Button look="danger">
              <Trash2 aria-hidden /> Delete
            </Button>
          </Confirm>
        </>
      )}
      <CopyCurl path={`/v1/sandboxes/${sandbox.id}`} />
    </>
  );
}
