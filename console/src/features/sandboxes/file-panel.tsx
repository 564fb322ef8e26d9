import { useQuery } from "@tanstack/react-query";
import { FileView } from "@/components/artifact";
import { Failure, Loading } from "@/components/states";
import { bytes } from "@/lib/format";
import { lookOf } from "@/lib/look";
import { fileAt } from "@/lib/saving";
import { contentPath } from "./api";
import { nameOf, typeOf } from "./paths";

const LARGEST = 20_000_000;

/** A file of the sandbox, shown as what it is. It is read as it is now. */
export function FilePanel({ sandbox, path }: { sandbox: string; path: string }) {
  const media_type = typeOf(path);
  const name = nameOf(path);
  const file = useQuery({
    queryKey: ["sandbox", sandbox, "content", path],
    queryFn: async () => new Blob([await fileAt(contentPath(sandbox, path))], { type: media_type }),
    enabled: media_type !== "application/octet-stream",
    gcTime: 0,
  });
  if (media_type === "application/octet-stream") return <NotShown text="A file of this kind is not shown here." />;
  if (file.error) return <Failure error={file.error} onRetry={() => void file.refetch()} />;
  if (!file.data) return <Loading what={name} />;
  const look = lookOf({ name, media_type, size_bytes: file.data.size });
  if (look === "none" || file.data.size > LARGEST) {
    return <NotShown text={`It is ${bytes(file.data.size)} large, too much to be shown.`} />;
  }
  return (
    <div className="p-3">
      {file.data.size ? <FileView file={file.data} look={look} name={name} /> : <NotShown text="It is empty." />}
    </div>
  );
}

const NotShown = ({ text }: { text: string }) => <p className="p-4 text-soft">{text} You can download it.</p>;
