import { useInfiniteQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { counted, moment } from "@/lib/format";
import { findsQuery, type Memory } from "./api";

interface Props {
  memory: Memory;
  /** To the call by which it was found. */
  link: (run: string, children: ReactNode, call: string | null) => ReactNode;
}

/** Each time that an agent found a memory: what "found" counts. */
export function Finds({ memory, link }: Props) {
  const finds = useInfiniteQuery(findsQuery(memory.id));
  const found = finds.data?.pages.flatMap((page) => page.data);
  return (
    <Shown of={{ data: found, error: finds.error, refetch: finds.refetch }} what="finds">
      {(all) => (
        <>
          {all.length === 0 && memory.accesses === 0 && <p className="p-4 text-soft">No agent has found it yet.</p>}
          <ol className="divide-y divide-line">
            {all.map((find) => (
              <li key={find.id} className="px-4 py-2 text-sm">
                {find.run_id ? link(find.run_id, moment(find.at), find.tool_call_id) : moment(find.at)}
              </li>
            ))}
          </ol>
          {finds.hasNextPage ? (
            <div className="border-t border-line p-3 text-center">
              <Button disabled={finds.isFetchingNextPage} onClick={() => void finds.fetchNextPage()}>
                Earlier ones
              </Button>
            </div>
          ) : (
            memory.accesses > all.length && (
              <p className="border-t border-line p-4 text-sm text-soft">
                {counted(memory.accesses - all.length, "earlier find")} not kept one by one.
              </p>
            )
          )}
        </>
      )}
    </Shown>
  );
}
