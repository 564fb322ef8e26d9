import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { Card, Page } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { addressOf, KINDS, type Kind, keyOf, searchQuery } from "@/features/search/api";
import { cn } from "@/lib/cn";
import { ago } from "@/lib/format";

const EACH = 20;

interface Search {
  q?: string;
  kind?: Kind;
}

export const Route = createFileRoute("/search")({
  component: SearchPage,
  validateSearch: ({ q, kind }: Record<string, unknown>): Search => ({
    q: q === undefined ? undefined : String(q).slice(0, 200),
    kind: (Object.keys(KINDS) as Kind[]).find((each) => each === kind),
  }),
});

function SearchPage() {
  const { q = "", kind } = Route.useSearch();
  const navigate = useNavigate({ from: "/search" });
  const found = useQuery(searchQuery(q.trim(), EACH, kind));
  return (
    <Page
      title="Search"
      lead="Agents, conversations, runs, knowledge and what its documents say, memories and deployments."
      actions={<CopyCurl path={`/v1/search?q=${encodeURIComponent(q || "travel")}`} />}
    >
      <search>
        <form
          className="mb-3 flex max-w-xl gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            const asked = String(new FormData(event.currentTarget).get("q") ?? "").trim();
            void navigate({ search: (before) => ({ ...before, q: asked || undefined }) });
          }}
        >
          <Input
            key={q}
            name="q"
            type="search"
            aria-label="Words, or the beginning of an id"
            placeholder="Words, or the beginning of an id"
            defaultValue={q}
            maxLength={200}
          />
          <Button type="submit" look="main">
            Find
          </Button>
        </form>
      </search>
      <nav aria-label="Kinds" className="mb-4 flex gap-1.5 overflow-x-auto pb-1">
        {[undefined, ...(Object.keys(KINDS) as Kind[])].map((each) => (
          <Link
            key={each ?? "all"}
            to="/search"
            search={{ q, kind: each }}
            activeOptions={{ exact: true, includeSearch: true }}
            className={cn(
              buttonStyle({ size: "small", look: "quiet" }),
              "aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent",
            )}
          >
            {each ? KINDS[each] : "All"}
          </Link>
        ))}
      </nav>
      {q.trim() === "" ? (
        <Empty title="What are you looking for?">
          Every word must be there; parts of words count, in documents whole words.
        </Empty>
      ) : (
        <Shown of={found} what="what was found">
          {({ data }) =>
            data.length ? (
              <Card>
                <ul className="divide-y divide-line">
                  {data.map((thing) => (
                    <li key={keyOf(thing)}>
                      {/* The address is made at run time, so it is no typed link; the router still takes it. */}
                      <Link to={addressOf(thing) as "/"} className="flex flex-wrap gap-x-3 px-4 py-2.5 hover:bg-raised">
                        <span className="min-w-0 flex-1 basis-48 truncate font-medium">
                          {thing.title || thing.id.slice(0, 8)}
                        </span>
                        <span className="text-sm text-soft">
                          {KINDS[thing.kind]}
                          {thing.page !== null && `, page ${thing.page}`} · {ago(thing.at)}
                        </span>
                        {thing.text && <span className="w-full truncate text-sm text-soft">{thing.text}</span>}
                      </Link>
                    </li>
                  ))}
                </ul>
              </Card>
            ) : (
              <Empty title="Nothing is like that">Try fewer words, or a part of one.</Empty>
            )
          }
        </Shown>
      )}
    </Page>
  );
}
