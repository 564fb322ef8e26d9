import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { CopyCurl } from "@/components/copy-curl";
import { Page } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { basesQuery, createBase } from "@/features/knowledge/api";
import { counted } from "@/lib/format";

export const Route = createFileRoute("/knowledge/")({ component: Knowledge });

function Knowledge() {
  const bases = useQuery(basesQuery);
  return (
    <Page title="Knowledge" lead="Documents that agents answer from." actions={<CopyCurl path="/v1/knowledge-bases" />}>
      <NewBase />
      <Shown of={bases} what="knowledge bases">
        {({ data }) =>
          data.length ? (
            <ul className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
              {data.map((base) => (
                <li key={base.id}>
                  <Link
                    to="/knowledge/$base"
                    params={{ base: base.id }}
                    className="block h-full rounded-xl border border-line bg-panel p-4 hover:bg-raised"
                  >
                    <span className="block truncate font-semibold">{base.name}</span>
                    {base.description && <span className="line-clamp-2 text-sm text-soft">{base.description}</span>}
                    <span className="mt-1 block text-sm text-soft">
                      {counted(base.documents, "document")} · {counted(base.chunks, "passage")}
                    </span>
                  </Link>
                </li>
              ))}
            </ul>
          ) : (
            <Empty title="No knowledge bases yet">Make one, put documents into it, and give it to an agent.</Empty>
          )
        }
      </Shown>
    </Page>
  );
}

function NewBase() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const making = useMutation({
    mutationFn: createBase,
    onSuccess: async (base) => {
      await queries.invalidateQueries({ queryKey: ["knowledge"], exact: true });
      await navigate({ to: "/knowledge/$base", params: { base: base.id } });
    },
  });
  return (
    <form
      className="mb-5 max-w-md"
      onSubmit={(event) => {
        event.preventDefault();
        making.mutate(String(new FormData(event.currentTarget).get("name") ?? "").trim());
      }}
    >
      <div className="flex gap-2">
        <Input
          name="name"
          required
          maxLength={200}
          aria-label="Name of a new knowledge base"
          placeholder="Name of a new knowledge base"
        />
        <Button type="submit" look="main" disabled={making.isPending}>
          <Plus aria-hidden /> Make
        </Button>
        <CopyCurl
          method="POST"
          path="/v1/knowledge-bases"
          body={(form: FormData) => ({ name: String(form.get("name") ?? "").trim() })}
        />
      </div>
      {making.error && (
        <p role="alert" className="mt-1.5 text-sm text-bad">
          {making.error.message}
        </p>
      )}
    </form>
  );
}
