import { useQuery } from "@tanstack/react-query";
import { LinePlot } from "@/components/line-plot";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { bytes } from "@/lib/format";
import { figuresQuery, type Period } from "./api";

const PERIODS: Record<Period, number> = { "1h": 3600, "24h": 86_400, "7d": 604_800 };

const KINDS = [
  { key: "cpu", name: "Processor, of a core", format: (value: number) => `${value.toFixed(1)} %` },
  { key: "memory", name: "Memory", format: (value: number) => `${Math.round(value)} MiB` },
  { key: "network", name: "Network", format: (value: number) => `${bytes(value)}/s` },
];

interface Props {
  deployment: string;
  period: Period;
  onPeriod: (period: Period) => void;
}

/** What its programs used: bold for all of them, thin for each. */
export function Figures({ deployment, period, onPeriod }: Props) {
  const figures = useQuery(figuresQuery(deployment, period));
  return (
    <>
      <fieldset className="flex gap-1 px-4 pt-3">
        <legend className="sr-only">How far back</legend>
        {(Object.keys(PERIODS) as Period[]).map((each) => (
          <Button
            key={each}
            size="small"
            look="quiet"
            aria-pressed={each === period}
            className="aria-pressed:bg-accent-soft aria-pressed:text-accent"
            onClick={() => onPeriod(each)}
          >
            {each}
          </Button>
        ))}
      </fieldset>
      <Shown of={figures} what="figures">
        {({ metrics }) => (
          <div className="grid lg:grid-cols-3">
            {KINDS.map(({ key, name, format }) => {
              const series = metrics[key];
              const parts = series?.replicas.map(({ points }) => points) ?? [];
              return (
                <LinePlot
                  key={key}
                  name={name}
                  points={series?.total ?? []}
                  parts={parts.length > 1 ? parts : []}
                  seconds={PERIODS[period]}
                  format={format}
                />
              );
            })}
          </div>
        )}
      </Shown>
    </>
  );
}
