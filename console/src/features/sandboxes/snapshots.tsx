import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Camera, Download, Trash2 } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Empty, Shown } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Input } from "@/components/ui/field";
import { ago, bytes } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { saveAt } from "@/lib/saving";
import { toast } from "@/lib/toast";
import { useHidden } from "@/lib/undo";
import { deleteSnapshot, makeSnapshot, restoreSnapshot, type Snapshot, snapshotsQuery } from "./api";

/** The files of /workspace as they were, and the way back to them. */
export function Snapshots({ sandbox, canMake }: { sandbox: string; canMake: boolean }) {
  const queries = useQueryClient();
  const snapshots = useQuery(snapshotsQuery(sandbox));
  const hidden = useHidden();
  const making = useMutation({
    mutationFn: (name: string) => makeSnapshot(sandbox, name),
    onSuccess: (made) => toast.success(`${bytes(made.size_bytes)} are kept.`),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["sandbox", sandbox] }),
  });
  return (
    <div>
      {canMake && (
        <form
          className="flex gap-2 border-b border-line p-4"
          onSubmit={(event) => {
            event.preventDefault();
            making.mutate(String(new FormData(event.currentTarget).get("name") ?? "").trim());
            event.currentTarget.reset();
          }}
        >
          <Input
            name="name"
            aria-label="Name of the snapshot"
            placeholder="Name, such as before the upgrade"
            maxLength={200}
          />
          <Button type="submit" look="main" disabled={making.isPending}>
            <Camera aria-hidden /> {making.isPending ? "Keeping…" : "Keep the files"}
          </Button>
          <CopyCurl
            method="POST"
            path={`/v1/sandboxes/${sandbox}/snapshots`}
            body={(form: FormData) => ({ name: String(form.get("name") ?? "").trim() })}
          />
        </form>
      )}
      <Shown of={snapshots} what="snapshots">
        {({ data }) =>
          data.length ? (
            <ul className="divide-y divide-line">
              {data
                .filter(({ id }) => !hidden.has(id))
                .map((snapshot) => (
                  <Row key={snapshot.id} sandbox={sandbox} snapshot={snapshot} />
                ))}
            </ul>
          ) : (
            <div className="p-4">
              <Empty title="No snapshots yet">A snapshot keeps the files of /workspace; memory is not kept.</Empty>
            </div>
          )
        }
      </Shown>
    </div>
  );
}

function Row({ sandbox, snapshot }: { sandbox: string; snapshot: Snapshot }) {
  const queries = useQueryClient();
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["sandbox", sandbox] });
  const restoring = useMutation({
    mutationFn: () => restoreSnapshot(sandbox, snapshot.id),
    onSuccess: () => toast.success("The files are as they were."),
    onError,
    onSettled,
  });
  const remove = useRemoval(["sandbox", sandbox]);
  const onRemove = () => {
    remove(snapshot.id, `The snapshot ${name} is deleted. The sandbox keeps its files.`, () =>
      deleteSnapshot(snapshot.id),
    );
  };
  const name = snapshot.name || "without a name";
  return (
    <li className="flex flex-wrap items-center gap-2 px-4 py-2">
      <p className="min-w-0 flex-1 basis-48">
        <span className="block truncate font-medium">{name}</span>
        <span className="text-sm text-soft">
          {bytes(snapshot.size_bytes)} · {ago(snapshot.created_at)}
        </span>
      </p>
      <Confirm
        title="Put these files back?"
        text="All files that lie in /workspace now are replaced by those of the snapshot."
        action="Put them back"
        onConfirm={() => restoring.mutate()}
      >
        <Button size="small" disabled={restoring.isPending}>
          Restore
        </Button>
      </Confirm>
      <Link to="/sandboxes/new" search={{ snapshot: snapshot.id }} className={buttonStyle({ size: "small" })}>
        New sandbox from it
      </Link>
      <Button
        look="quiet"
        size="icon"
        aria-label={`Download the snapshot ${name}`}
        title="Download"
        onClick={() => void saveAt(`/v1/sandbox-snapshots/${snapshot.id}/file`, "workspace.tar.gz").catch(onError)}
      >
        <Download aria-hidden />
      </Button>
      <Button onClick={onRemove} look="quiet" size="icon" aria-label={`Delete the snapshot ${name}`} title="Delete">
        <Trash2 aria-hidden />
      </Button>
    </li>
  );
}
