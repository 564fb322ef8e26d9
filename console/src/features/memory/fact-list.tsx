import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Card } from "@/components/page";
import { Empty, Failure, Loading, Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { useHidden } from "@/lib/undo";
import { type Filter, memoriesQuery, searchQuery } from "./api";
import { Fact, type Names } from "./facts";

interface Props {
  filter: Filter;
  query: string;
  agents: Names;
}

/** The newest facts, or those that a search finds. */
export const FactList = (props: Props) => (props.query ? <Hits {...props} /> : <Newest {...props} />);

function Newest({ filter, agents }: Props) {
  const memories = useInfiniteQuery(memoriesQuery(filter));
  const hidden = useHidden();
  const found = memories.data?.pages.flatMap((page) => page.data).filter(({ id }) => !hidden.has(id));
  if (memories.error && !found) return <Failure error={memories.error} onRetry={() => void memories.refetch()} />;
  if (!found) return <Loading what="memories" />;
  if (!found.length) {
    return (
      <Empty title="Nothing is remembered here">
        Agents save what they are told with memory_save, or learn it from conversations once that is switched on in
        their memory settings. You can add a fact yourself, too.
      </Empty>
    );
  }
  return (
    <>
      <Card>
        <ul className="divide-y divide-line">
          {found.map((memory) => (
            <Fact key={memory.id} memory={memory} agents={agents} />
          ))}
        </ul>
      </Card>
      {memories.hasNextPage && (
        <div className="mt-4 text-center">
          <Button disabled={memories.isFetchingNextPage} onClick={() => void memories.fetchNextPage()}>
            Older ones
          </Button>
        </div>
      )}
    </>
  );
}

function Hits({ filter, query, agents }: Props) {
  const hits = useQuery(searchQuery(query, filter));
  return (
    <Shown of={hits} what="what fits">
      {({ data, is_fallback }) =>
        data.length === 0 ? (
          <Empty title="Nothing is remembered that could fit" />
        ) : (
          <>
            {is_fallback && (
              <p className="mb-3 rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">
                Nothing fits these words. An agent would get the newest, and so do you.
              </p>
            )}
            <Card>
              <ul className="divide-y divide-line">
                {data.map((memory) => (
                  <Fact key={memory.id} memory={memory} agents={agents} />
                ))}
              </ul>
            </Card>
          </>
        )
      }
    </Shown>
  );
}
