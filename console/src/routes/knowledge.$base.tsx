import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, useNavigate } from "@tanstack/react-router";
import { Trash2, X } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { type Base, baseQuery, deleteBase } from "@/features/knowledge/api";
import { Documents } from "@/features/knowledge/documents";
import { HitTest } from "@/features/knowledge/hit-test";
import { Passages } from "@/features/knowledge/passages";
import { Uploader } from "@/features/knowledge/uploader";
import { counted } from "@/lib/format";
import { toast } from "@/lib/toast";

interface Search {
  document?: string;
  chunk?: number;
  query?: string;
}

export const Route = createFileRoute("/knowledge/$base")({
  component: BasePage,
  validateSearch: ({ document, chunk, query }: Record<string, unknown>): Search => ({
    document: typeof document === "string" ? document : undefined,
    chunk: chunk !== undefined && Number(chunk) >= 0 ? Number(chunk) : undefined,
    query: query === undefined ? undefined : String(query),
  }),
});

function BasePage() {
  const { base: id } = Route.useParams();
  const base = useQuery(baseQuery(id));
  return (
    <Loaded
      of={base}
      what="the knowledge base"
      title="Knowledge base"
      back={{ to: "/knowledge", name: "All knowledge bases" }}
    >
      {(found) => <Found base={found} />}
    </Loaded>
  );
}

function Found({ base }: { base: Base }) {
  const { document, chunk, query } = Route.useSearch();
  const navigate = useNavigate({ from: "/knowledge/$base" });
  const queries = useQueryClient();
  const removing = useMutation({
    mutationFn: () => deleteBase(base.id),
    onSuccess: async () => {
      await navigate({ to: "/knowledge" });
      await queries.invalidateQueries({ queryKey: ["knowledge"], exact: true });
    },
    onError: (error) => toast.error(error.message),
  });
  const show = (next: Pick<Search, "document" | "chunk">) =>
    void navigate({ search: (before) => ({ ...before, chunk: undefined, ...next }) });
  return (
    <Page
      title={base.name}
      lead={`${counted(base.documents, "document")} · ${counted(base.chunks, "passage")} · ${base.embedding_model ?? "words only"}`}
      actions={
        <>
          <CopyCurl
            method="POST"
            path={`/v1/knowledge-bases/${base.id}/search`}
            body={{ query: query ?? "What may a hotel cost?" }}
          />
          <Confirm
            title={`Delete ${base.name}?`}
            text={`Its ${counted(base.documents, "document")} and their files are removed for good.`}
            action="Delete all of it"
            onConfirm={() => removing.mutate()}
          >
            <Button look="danger">
              <Trash2 aria-hidden /> Delete
            </Button>
          </Confirm>
        </>
      }
    >
      <div className="grid items-start gap-5 lg:grid-cols-2">
        <div className="min-w-0 space-y-5">
          <Uploader base={base.id} />
          <Card title="Documents">
            <Documents base={base.id} shown={document} onShow={(id) => show({ document: id })} />
          </Card>
        </div>
        <div className="min-w-0 space-y-5">
          {document && (
            <Card
              title="Passages"
              actions={
                <Button
                  look="quiet"
                  size="icon"
                  aria-label="Close the passages"
                  onClick={() => show({ document: undefined })}
                >
                  <X aria-hidden />
                </Button>
              }
            >
              <div className="h-96">
                <Passages base={base.id} document={document} chunk={chunk} />
              </div>
            </Card>
          )}
          <Card title="What does a question find?">
            <HitTest
              base={base.id}
              query={query ?? ""}
              onQuery={(asked) => void navigate({ search: (before) => ({ ...before, query: asked || undefined }) })}
              onShow={(id, place) => show({ document: id, chunk: place })}
            />
          </Card>
        </div>
      </div>
    </Page>
  );
}
