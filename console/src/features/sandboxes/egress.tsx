import { useInfiniteQuery } from "@tanstack/react-query";
import { Empty, Failure, Loading } from "@/components/states";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { ago, bytes, moment } from "@/lib/format";
import { egressQuery } from "./api";

/** Every try to reach the outside, newest first. */
export function Egress({ sandbox, allowed }: { sandbox: string; allowed: string[] }) {
  const egress = useInfiniteQuery(egressQuery(sandbox));
  const entries = egress.data?.pages.flatMap((page) => page.data);
  return (
    <div>
      <p className="border-b border-line px-4 py-2.5 text-sm text-soft">
        {allowed.length ? `It may reach ${allowed.join(", ")}, and nothing else.` : "It may reach nothing outside."}
      </p>
      {egress.error && !entries && <Failure error={egress.error} onRetry={() => void egress.refetch()} />}
      {egress.isLoading && <Loading what="the egress log" />}
      {entries?.length === 0 && (
        <div className="p-4">
          <Empty title="Nothing has tried to reach the outside" />
        </div>
      )}
      <ul className="divide-y divide-line">
        {entries?.map((entry) => (
          <li key={entry.id} className="flex flex-wrap items-center gap-x-3 gap-y-0.5 px-4 py-2 text-sm">
            <Status value={entry.verdict} />
            <span className="min-w-0 flex-1 basis-52 font-mono break-all">
              {entry.method} {entry.host}
              {entry.port !== null && `:${entry.port}`}
            </span>
            <span className="text-soft tabular-nums" title={moment(entry.at)}>
              {entry.verdict === "allowed" && `${bytes(entry.sent_bytes)} out, ${bytes(entry.received_bytes)} in · `}
              {ago(entry.at)}
            </span>
            {entry.reason && <span className="w-full text-soft">{entry.reason}</span>}
          </li>
        ))}
      </ul>
      {egress.hasNextPage && (
        <div className="p-3 text-center">
          <Button disabled={egress.isFetchingNextPage} onClick={() => void egress.fetchNextPage()}>
            Earlier ones
          </Button>
        </div>
      )}
    </div>
  );
}
