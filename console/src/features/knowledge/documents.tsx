import { useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { bytes, counted } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { useHidden } from "@/lib/undo";
import { type Document, deleteDocument, documentsQuery } from "./api";

interface Props {
  base: string;
  shown: string | undefined;
  onShow: (document: string) => void;
}

export function Documents({ base, shown, onShow }: Props) {
  const documents = useQuery(documentsQuery(base));
  const hidden = useHidden();
  return (
    <Shown of={documents} what="documents">
      {({ data, has_more }) =>
        data.length === 0 ? (
          <div className="p-4">
            <Empty title="No documents yet">Upload one; it can be searched and cited as soon as it is ready.</Empty>
          </div>
        ) : (
          <ul className="divide-y divide-line">
            {data
              .filter(({ id }) => !hidden.has(id))
              .map((document) => (
                <Row key={document.id} document={document} isShown={document.id === shown} onShow={onShow} />
              ))}
            {has_more && <li className="p-4 text-sm text-soft">There are more; the API lists them all.</li>}
          </ul>
        )
      }
    </Shown>
  );
}

function Row({ document, isShown, onShow }: { document: Document; isShown: boolean } & Pick<Props, "onShow">) {
  const remove = useRemoval(["knowledge"]);
  const onRemove = () => {
    remove(document.id, `${document.name} is deleted, with its passages. Answers that cite it keep their quotes.`, () =>
      deleteDocument(document.knowledge_base_id, document.id),
    );
  };
  const { phase, done, total } = document.progress;
  return (
    <li className="flex items-center gap-2 px-4 py-2 aria-current:bg-raised" aria-current={isShown || undefined}>
      <button type="button" className="min-w-0 flex-1 rounded py-1 text-left" onClick={() => onShow(document.id)}>
        <span className="block truncate font-medium">{document.title || document.name}</span>
        <span className="block text-sm text-soft wrap-anywhere">
          {document.title && document.title !== document.name && `${document.name} · `}
          {bytes(document.size_bytes)}
          {document.status === "ready" && ` · ${counted(document.chunks, "passage")}`}
          {document.pages !== null && ` · ${counted(document.pages, "page")}`}
          {document.status === "processing" && ` · ${phase}${total ? ` ${done} of ${total}` : ""}`}
        </span>
        {document.error && <span className="block text-sm text-bad">{document.error.message}</span>}
      </button>
      <Status value={document.status} />
      <Button onClick={onRemove} look="quiet" size="icon" aria-label={`Delete ${document.name}`}>
        <Trash2 aria-hidden />
      </Button>
    </li>
  );
}
