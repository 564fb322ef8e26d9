import { type ReactNode, useId, useState } from "react";
import { cn } from "@/lib/cn";
import { niceTop, ticks } from "@/lib/scale";
import { Card } from "./page";
import { Table } from "./table";
import { Button } from "./ui/button";

export interface Bar {
  key: string;
  name: string;
  value: number;
  /** The value in words. */
  told: string;
}

interface Props {
  title: string;
  unit: string;
  bars: readonly Bar[];
  show: (value: number) => string;
  /** What a bar opens; the children are what is drawn. */
  link: (bar: Bar, children: ReactNode, className: string) => ReactNode;
}

/** A chart, or the same as a table. */
function Framed({ title, unit, bars, link, children }: Props & { children: ReactNode }) {
  const [isTable, setIsTable] = useState(false);
  return (
    <Card
      title={title}
      actions={
        <Button look="quiet" size="small" aria-pressed={isTable} onClick={() => setIsTable(!isTable)}>
          {isTable ? "Chart" : "Table"}
          <span className="sr-only"> of {title}</span>
        </Button>
      }
    >
      {bars.length === 0 ? (
        <p className="p-6 text-center text-soft">Nothing in this span.</p>
      ) : isTable ? (
        <Table
          name={title}
          rows={bars}
          keyOf={(bar) => bar.key}
          columns={[
            { name: title, show: (bar) => link(bar, bar.name, "text-accent underline underline-offset-2") },
            { name: unit, isNumber: true, show: (bar) => bar.told },
          ]}
        />
      ) : (
        children
      )}
    </Card>
  );
}

/** Things beside each other, the largest first. */
export function Ranking(props: Props) {
  const most = Math.max(...props.bars.map((bar) => bar.value), 0) || 1;
  return (
    <Framed {...props}>
      <ul className="space-y-1 p-3">
        {props.bars.map((bar) => (
          <li key={bar.key}>
            {props.link(
              bar,
              <>
                <span className="flex justify-between gap-3 text-sm">
                  <span className="truncate">{bar.name}</span>
                  <span className="shrink-0 text-soft tabular-nums">{bar.told}</span>
                </span>
                <span className="mt-1 block h-2 rounded-full bg-raised" aria-hidden>
                  <span
                    className="block h-2 rounded-full bg-accent"
                    style={{ width: `${Math.max(1, (bar.value / most) * 100)}%` }}
                  />
                </span>
              </>,
              "block rounded-lg px-2 py-1.5 hover:bg-raised",
            )}
          </li>
        ))}
      </ul>
    </Framed>
  );
}

/** Days beside each other. Each column is as wide as the day's place, so that a small one can be hit too. */
export function Days(props: Props) {
  const top = niceTop(Math.max(...props.bars.map((bar) => bar.value), 0));
  const told = useId();
  const every = Math.ceil(props.bars.length / 8);
  return (
    <Framed {...props}>
      <div className="p-4">
        <p id={told} className="sr-only">
          {props.unit} by day, up to {props.show(top)}.
        </p>
        <div className="flex gap-2">
          <div className="flex h-48 w-14 shrink-0 flex-col-reverse justify-between text-right text-xs text-soft tabular-nums">
            {ticks(top).map((tick) => (
              <span key={tick} className="-my-2 leading-4">
                {props.show(tick)}
              </span>
            ))}
          </div>
          <ul aria-describedby={told} className="relative flex h-48 min-w-0 flex-1 items-end border-b border-line">
            {ticks(top)
              .slice(1)
              .map((tick) => (
                <li
                  key={tick}
                  aria-hidden
                  className="pointer-events-none absolute inset-x-0 border-t border-line"
                  style={{ bottom: `${(tick / top) * 100}%` }}
                />
              ))}
            {props.bars.map((bar) => (
              <li key={bar.key} className="relative h-full min-w-0 flex-1">
                {props.link(
                  bar,
                  <>
                    <span className="sr-only">
                      {bar.name}: {bar.told}
                    </span>
                    <span
                      aria-hidden
                      title={`${bar.name}: ${bar.told}`}
                      className="block w-full rounded-t-sm bg-accent"
                      style={{ height: bar.value ? `max(2px, ${(bar.value / top) * 100}%)` : 0 }}
                    />
                  </>,
                  "flex h-full items-end px-[10%] hover:bg-raised",
                )}
              </li>
            ))}
          </ul>
        </div>
        <div className="mt-1 flex gap-2 text-xs text-soft tabular-nums" aria-hidden>
          <span className="w-14 shrink-0" />
          <div className="flex min-w-0 flex-1">
            {props.bars.map((bar, index) => (
              <span key={bar.key} className="relative h-4 flex-1">
                {index % every === 0 && (
                  <span
                    className={cn("absolute left-0 whitespace-nowrap", index % (every * 2) !== 0 && "hidden sm:inline")}
                  >
                    {bar.key.slice(5)}
                  </span>
                )}
              </span>
            ))}
          </div>
        </div>
      </div>
    </Framed>
  );
}
