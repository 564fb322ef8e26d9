import { useQuery } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { Failure, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { type Hit, search } from "./api";

interface Props {
  base: string;
  query: string;
  onQuery: (query: string) => void;
  onShow: (document: string, chunk: number) => void;
}

/** What a question would find, and why in that order. The question is in the address, so that it can be shared. */
export function HitTest({ base, query, onQuery, onShow }: Props) {
  const found = useQuery({
    queryKey: ["knowledge", base, "search", query],
    queryFn: () => search(base, query),
    enabled: query !== "",
  });
  return (
    <div className="space-y-4 p-4">
      <form
        className="flex gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          const asked = String(new FormData(event.currentTarget).get("query") ?? "").trim();
          if (asked === query) void found.refetch();
          else onQuery(asked);
        }}
      >
        <Input
          key={query}
          name="query"
          aria-label="Question"
          placeholder="What may a hotel cost?"
          defaultValue={query}
        />
        <Button type="submit" look="main" aria-label="Search">
          <Search aria-hidden />
        </Button>
      </form>
      {found.error && <Failure error={found.error} onRetry={() => void found.refetch()} />}
      {found.isLoading && <Loading what="hits" />}
      {found.data?.data.length === 0 && <p className="text-soft">Nothing was found.</p>}
      <ol className="space-y-3">
        {found.data?.data.map((hit, index) => (
          <HitView key={hit.uri} hit={hit} place={index + 1} onShow={onShow} />
        ))}
      </ol>
    </div>
  );
}

const score = (value: number | null) => (value === null ? "–" : value.toFixed(3));

function HitView({ hit, place, onShow }: { hit: Hit; place: number } & Pick<Props, "onShow">) {
  const { dense, lexical, fused, dense_rank, lexical_rank, reranked } = hit.scores;
  const parts = [
    ["fused", score(fused), ""],
    ["dense", score(dense), dense_rank && `#${dense_rank}`],
    ["lexical", score(lexical), lexical_rank && `#${lexical_rank}`],
    ...(reranked === null ? [] : [["reranked", score(reranked), ""]]),
  ];
  return (
    <li className="rounded-lg border border-line">
      <button
        type="button"
        className="block w-full rounded-t-lg p-3 text-left hover:bg-raised"
        onClick={() => onShow(hit.document_id, hit.chunk)}
      >
        <span className="block text-sm font-medium">
          {place}. {hit.document_name}
          {hit.page !== null && `, page ${hit.page}`}
          {hit.heading && ` · ${hit.heading}`}
        </span>
        <span className="mt-1 line-clamp-4 text-sm break-words whitespace-pre-wrap text-soft">{hit.text}</span>
      </button>
      <dl className="flex flex-wrap gap-x-5 gap-y-1 border-t border-line px-3 py-2 text-sm tabular-nums">
        {parts.map(([name, value, rank]) => (
          <div key={name} className="flex gap-1.5">
            <dt className="text-soft">{name}</dt>
            <dd className="font-medium">
              {value} {rank && <span className="font-normal text-soft">{rank}</span>}
            </dd>
          </div>
        ))}
      </dl>
    </li>
  );
}
