import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Download, File as FileIcon, Folder, FolderPlus, Pencil, RefreshCw, Trash2, Upload } from "lucide-react";
import { useRef, useState } from "react";
import { Failure, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Input } from "@/components/ui/field";
import { bytes, moment } from "@/lib/format";
import { saveAt } from "@/lib/saving";
import { toast } from "@/lib/toast";
import { contentPath, deleteFile, type Entry, filesQuery, makeFolder, moveFile, putFile, tarPath } from "./api";
import { below, nameOf, stepsOf } from "./paths";

interface Props {
  sandbox: string;
  path: string;
  shown: string | undefined;
  onGo: (path: string) => void;
  onShow: (file: string) => void;
}

/** What lies in a folder: look, put in, take out, rename, delete. */
export function Files({ sandbox, path, shown, onGo, onShow }: Props) {
  const files = useQuery(filesQuery(sandbox, path));
  const entries = [...(files.data?.data ?? [])].sort(
    (one, other) =>
      Number(other.kind === "directory") - Number(one.kind === "directory") || one.path.localeCompare(other.path),
  );
  return (
    <div>
      <div className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-2">
        <nav aria-label="Folder" className="min-w-0 flex-1 basis-48 font-mono text-sm break-all">
          {stepsOf(path).map((step) => (
            <span key={step.path}>
              <button type="button" className="rounded text-accent hover:underline" onClick={() => onGo(step.path)}>
                {step.name}
              </button>
              {step.path !== "/" && "/"}
            </span>
          ))}
        </nav>
        <Tools sandbox={sandbox} path={path} onRead={() => void files.refetch()} />
      </div>
      {files.error && <Failure error={files.error} onRetry={() => void files.refetch()} />}
      {files.isLoading && <Loading what="files" />}
      {files.data && entries.length === 0 && <p className="p-6 text-center text-soft">Nothing lies here yet.</p>}
      <ul className="divide-y divide-line">
        {entries.map((entry) => (
          <Row
            key={entry.path}
            sandbox={sandbox}
            entry={entry}
            isShown={entry.path === shown}
            onOpen={() => (entry.kind === "directory" ? onGo(entry.path) : onShow(entry.path))}
          />
        ))}
      </ul>
    </div>
  );
}

function useReading(sandbox: string) {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: ["sandbox", sandbox] });
}

function Tools({ sandbox, path, onRead }: { sandbox: string; path: string; onRead: () => void }) {
  const read = useReading(sandbox);
  const chooser = useRef<HTMLInputElement>(null);
  const [folder, setFolder] = useState<string | null>(null);
  const onError = (error: Error) => toast.error(error.message);
  const sending = useMutation({
    mutationFn: async (files: File[]) => {
      for (const file of files) await putFile(sandbox, below(path, file.name), file);
      return files.length;
    },
    onSuccess: (number) => toast.success(number === 1 ? "The file is there." : `${number} files are there.`),
    onError,
    onSettled: read,
  });
  const making = useMutation({
    mutationFn: (name: string) => makeFolder(sandbox, below(path, name)),
    onSuccess: () => setFolder(null),
    onError,
    onSettled: read,
  });
  if (folder !== null) {
    return (
      <form
        className="flex gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          making.mutate(folder.trim());
        }}
      >
        <Input
          aria-label="Name of the new folder"
          autoFocus
          required
          value={folder}
          onChange={(event) => setFolder(event.target.value)}
          onKeyDown={(event) => event.key === "Escape" && setFolder(null)}
        />
        <Button type="submit" look="main" disabled={making.isPending}>
          Make
        </Button>
      </form>
    );
  }
  return (
    <div className="flex gap-1">
      <Button size="small" disabled={sending.isPending} onClick={() => chooser.current?.click()}>
        <Upload aria-hidden /> {sending.isPending ? "Sending…" : "Upload"}
      </Button>
      <input
        ref={chooser}
        type="file"
        multiple
        aria-label="Files to upload"
        className="sr-only"
        tabIndex={-1}
        onChange={(event) => {
          const files = [...(event.target.files ?? [])];
          event.target.value = "";
          if (files.length) sending.mutate(files);
        }}
      />
      <Button look="quiet" size="icon" aria-label="New folder" title="New folder" onClick={() => setFolder("")}>
        <FolderPlus aria-hidden />
      </Button>
      <Button
        look="quiet"
        size="icon"
        aria-label="Download the folder"
        title="Download the folder as a tar"
        onClick={() => void saveAt(tarPath(sandbox, path), `${nameOf(path) || "root"}.tar`).catch(onError)}
      >
        <Download aria-hidden />
      </Button>
      <Button look="quiet" size="icon" aria-label="Read again" title="Read again" onClick={onRead}>
        <RefreshCw aria-hidden />
      </Button>
    </div>
  );
}

interface RowProps {
  sandbox: string;
  entry: Entry;
  isShown: boolean;
  onOpen: () => void;
}

function Row({ sandbox, entry, isShown, onOpen }: RowProps) {
  const read = useReading(sandbox);
  const [draft, setDraft] = useState<string | null>(null);
  const onError = (error: Error) => toast.error(error.message);
  const moving = useMutation({
    mutationFn: (name: string) => moveFile(sandbox, entry.path, below(entry.path.replace(/\/[^/]*$/, "") || "/", name)),
    onSuccess: () => setDraft(null),
    onError,
    onSettled: read,
  });
  const removing = useMutation({ mutationFn: () => deleteFile(sandbox, entry.path), onError, onSettled: read });
  const name = nameOf(entry.path);
  const isFolder = entry.kind === "directory";
  const Icon = isFolder ? Folder : FileIcon;
  if (draft !== null) {
    return (
      <li className="px-4 py-1.5">
        <form
          className="flex gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            moving.mutate(draft.trim());
          }}
        >
          <Input
            aria-label={`New name of ${name}`}
            autoFocus
            required
            value={draft}
            onChange={(event) => setDraft(event.target.value)}
            onKeyDown={(event) => event.key === "Escape" && setDraft(null)}
          />
          <Button type="submit" look="main" disabled={moving.isPending}>
            Rename
          </Button>
        </form>
      </li>
    );
  }
  return (
    <li className="flex items-center gap-1 py-0.5 pr-2 pl-4 aria-current:bg-raised" aria-current={isShown || undefined}>
      <button
        type="button"
        className="flex min-h-11 min-w-0 flex-1 items-center gap-2.5 rounded text-left"
        onClick={onOpen}
      >
        <Icon className={`size-4 shrink-0 ${isFolder ? "text-accent" : "text-soft"}`} aria-hidden />
        <span className="min-w-0 flex-1 truncate">
          {name}
          {entry.target && <span className="text-soft"> → {entry.target}</span>}
        </span>
        <span className="shrink-0 text-sm text-soft tabular-nums">
          {!isFolder && bytes(entry.size_bytes)}
          <span className="hidden sm:inline">
            {!isFolder && " · "}
            {moment(new Date(entry.modified_at * 1000).toISOString())}
          </span>
        </span>
      </button>
      <Button look="quiet" size="icon" aria-label={`Rename ${name}`} title="Rename" onClick={() => setDraft(name)}>
        <Pencil aria-hidden />
      </Button>
      <Button
        look="quiet"
        size="icon"
        aria-label={`Download ${name}`}
        title="Download"
        onClick={() =>
          void saveAt(
            isFolder ? tarPath(sandbox, entry.path) : contentPath(sandbox, entry.path),
            isFolder ? `${name}.tar` : name,
          ).catch(onError)
        }
      >
        <Download aria-hidden />
      </Button>
      <Confirm
        title={`Delete ${name}?`}
        text={isFolder ? "The folder and all that lies in it are removed." : "The file is removed from the sandbox."}
        action="Delete"
        onConfirm={() => removing.mutate()}
      >
        <Button look="quiet" size="icon" aria-label={`Delete ${name}`} title="Delete">
          <Trash2 aria-hidden />
        </Button>
      </Confirm>
    </li>
  );
}
