import { Link } from "@tanstack/react-router";
import { Card } from "@/components/page";
import { Empty } from "@/components/states";
import { useHidden } from "@/lib/undo";
import { type Entry, KINDS } from "./catalogue";
import { matching } from "./matching";
import { inWords } from "./permission";

const TITLES = {
  "built in": "Built in",
  connection: "From connections",
  own: "HTTP tools of your own",
  toolset: "From OpenAPI documents",
  recipe: "Recipes",
};

/** Every tool, by where it comes from. */
export function ToolList({ entries, words }: { entries: Entry[]; words: string }) {
  const hidden = useHidden();
  const found = matching(entries, words).filter(({ name }) => !hidden.has(name));
  if (!found.length) return <Empty title={words ? `No tool is about “${words}”` : "There are no tools"} />;
  return (
    <div className="space-y-5">
      {KINDS.map((kind) => {
        const those = found.filter((entry) => entry.kind === kind);
        return (
          those.length > 0 && (
            <Card key={kind} title={TITLES[kind]}>
              <ul className="divide-y divide-line">
                {those.map((entry) => (
                  <Row key={entry.name} entry={entry} />
                ))}
              </ul>
            </Card>
          )
        );
      })}
    </div>
  );
}

function Row({ entry }: { entry: Entry }) {
  const about = entry.isUsable ? entry.permission && inWords(entry.permission) : "switched off";
  return (
    <li>
      <Link
        to="/tools/named/$tool"
        params={{ tool: entry.name }}
        className="flex flex-wrap items-baseline gap-x-3 px-4 py-2.5 hover:bg-raised"
      >
        <span className="font-mono text-sm font-medium break-all">{entry.name}</span>
        <span className="min-w-0 flex-1 basis-64 truncate text-sm text-soft">{entry.description}</span>
        {about && about !== inWords("always") && <span className="text-sm text-warn">{about}</span>}
      </Link>
    </li>
  );
}
