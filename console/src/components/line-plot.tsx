import { type PointerEvent, useState } from "react";
import { moment } from "@/lib/format";

export interface PlotPoint {
  at: string;
  value: number;
}

interface Props {
  name: string;
  /** What the bold line shows, and thin ones behind it, such as its parts. */
  points: PlotPoint[];
  parts?: PlotPoint[][];
  seconds: number;
  format: (value: number) => string;
}

const WIDE = 600;
const HIGH = 140;

/** A line over time that ends now; says its newest and its largest value in words as well. */
export function LinePlot({ name, points, parts = [], seconds, format }: Props) {
  const [under, setUnder] = useState<PlotPoint | null>(null);
  const last = points.at(-1);
  if (!last) return <p className="flex h-44 items-center justify-center text-sm text-soft">No figures yet.</p>;
  const end = Math.max(Date.now(), Date.parse(last.at));
  const most = points.reduce((highest, { value }) => Math.max(highest, value), 0);
  const x = (point: PlotPoint) => WIDE * (1 - (end - Date.parse(point.at)) / (seconds * 1000));
  const y = (point: PlotPoint) => HIGH - (point.value / (most || 1)) * (HIGH - 8);
  const path = (line: PlotPoint[]) =>
    line.map((point, index) => `${index ? "L" : "M"}${x(point).toFixed(1)} ${y(point).toFixed(1)}`).join("");
  const onMove = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * WIDE;
    setUnder(
      points.reduce((nearest, each) => (Math.abs(x(each) - place) < Math.abs(x(nearest) - place) ? each : nearest)),
    );
  };
  const said = under
    ? `${format(under.value)} · ${moment(under.at)}`
    : `now ${format(last.value)} · most ${format(most)}`;
  return (
    <figure className="p-4">
      <figcaption className="mb-2 flex flex-wrap justify-between gap-x-3 text-sm">
        <span className="font-medium">{name}</span>
        <span className="text-soft tabular-nums">{said}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDE} ${HIGH}`}
        preserveAspectRatio="none"
        className="h-32 w-full touch-pan-y border-b border-line"
        role="img"
        aria-label={`${name}: now ${format(last.value)}, most ${format(most)}`}
        onPointerMove={onMove}
        onPointerLeave={() => setUnder(null)}
      >
        {[0.25, 0.5, 0.75].map((share) => (
          <line
            key={share}
            x1="0"
            x2={WIDE}
            y1={HIGH * share}
            y2={HIGH * share}
            className="stroke-line"
            strokeWidth="1"
            vectorEffect="non-scaling-stroke"
          />
        ))}
        {parts.map((line) => (
          <path
            key={line[0]?.at}
            d={path(line)}
            fill="none"
            className="stroke-soft"
            strokeWidth="1"
            strokeOpacity="0.6"
            vectorEffect="non-scaling-stroke"
          />
        ))}
        <path
          d={path(points)}
          fill="none"
          className="stroke-accent"
          strokeWidth="2"
          strokeLinejoin="round"
          vectorEffect="non-scaling-stroke"
        />
        {(points.length === 1 || under) && (
          <line
            x1={x(under ?? last)}
            x2={x(under ?? last)}
            y1={y(under ?? last)}
            y2={HIGH}
            className="stroke-accent"
            strokeWidth="2"
            vectorEffect="non-scaling-stroke"
          />
        )}
      </svg>
    </figure>
  );
}
