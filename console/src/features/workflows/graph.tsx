import { useMemo } from "react";
import { cn } from "@/lib/cn";
import type { Step } from "./api";
import { layoutOf, NODE, type StepDefinition } from "./layout";

interface Props {
  steps: StepDefinition[];
  /** How far each step is; left away for a mere definition. */
  states?: Step[];
  shown?: string;
  onShow?: (step: string) => void;
}

const LOOKS: Record<string, string> = {
  running: "border-accent bg-accent-soft",
  retrying: "border-lane-wait bg-warn-soft",
  waiting: "border-lane-wait bg-warn-soft",
  completed: "border-good",
  failed: "border-bad bg-bad-soft",
  skipped: "border-dashed",
};

const PAD = 12;

/** The steps of a workflow from top to bottom. Each is a button; its state stands in it in words. */
export function Graph({ steps, states, shown, onShow }: Props) {
  const layout = useMemo(() => layoutOf(steps), [steps]);
  const known = new Map(states?.map((step) => [step.id, step]));
  const names = new Map(steps.map((step) => [step.id, step]));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section tabIndex={0} aria-label="Steps" className="max-h-[38rem] overflow-auto p-4">
      <div className="relative mx-auto" style={{ width: layout.width + PAD * 2, height: layout.height + PAD * 2 }}>
        <svg aria-hidden className="absolute inset-0" width={layout.width + PAD * 2} height={layout.height + PAD * 2}>
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
              <path d="M0,0 L8,4 L0,8 z" className="fill-soft" />
            </marker>
          </defs>
          <g transform={`translate(${PAD},${PAD})`}>
            {layout.edges.map((edge) => (
              <path
                key={`${edge.from}>${edge.to}`}
                d={edge.path}
                fill="none"
                strokeWidth={1.5}
                strokeDasharray={edge.label === "else" ? "5 4" : undefined}
                markerEnd="url(#arrow)"
                className="stroke-soft"
              />
            ))}
            {layout.edges
              .filter((edge) => edge.label)
              .map((edge) => {
                const target = layout.nodes.find((node) => node.id === edge.to);
                return (
                  target && (
                    <text
                      key={`${edge.from}>${edge.to}`}
                      x={target.x + NODE.width / 2 + 8}
                      y={target.y - 12}
                      className="fill-soft stroke-panel text-[11px]"
                      strokeWidth={4}
                      paintOrder="stroke"
                    >
                      {edge.label}
                    </text>
                  )
                );
              })}
          </g>
        </svg>
        {layout.nodes.map(({ id, x, y }) => {
          const step = names.get(id);
          const state = known.get(id);
          const items = state?.items ?? [];
          return (
            <button
              key={id}
              type="button"
              aria-pressed={id === shown}
              className={cn(
                "absolute flex flex-col justify-center rounded-lg border-2 border-line bg-panel px-3 text-left",
                state && LOOKS[state.status],
                id === shown && "outline-2 outline-offset-2 outline-accent",
              )}
              style={{ left: x + PAD, top: y + PAD, width: NODE.width, height: NODE.height }}
              onClick={() => onShow?.(id)}
            >
              <span className="block w-full truncate text-sm font-medium">{step?.name || id}</span>
              <span className="block w-full truncate text-xs text-soft">
                {step?.kind}
                {state && ` · ${state.status}`}
                {state &&
                  items.length > 0 &&
                  ` · ${items.filter((item) => item.status === "completed").length} of ${items.length}`}
                {state && state.attempts > 1 && ` · try ${state.attempts}`}
              </span>
            </button>
          );
        })}
      </div>
    </section>
  );
}
