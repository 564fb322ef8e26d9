import { useInfiniteQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { X } from "lucide-react";
import { Code } from "@/components/code";
import { CopyCurl } from "@/components/copy-curl";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Button, buttonStyle } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { type AuditEntry, type AuditFilter, auditQuery } from "@/features/settings/api";
import { moment, pretty } from "@/lib/format";

const TEXTS = ["actor_id", "action", "subject", "since", "until"] as const;
const ACTORS = ["user", "key", "operator", "system"] as const;

interface Search extends AuditFilter {
  entry?: string;
}

export const Route = createFileRoute("/settings/audit")({
  component: Audit,
  validateSearch: (search: Record<string, unknown>): Search => ({
    ...Object.fromEntries(
      TEXTS.flatMap((name) => (typeof search[name] === "string" && search[name] ? [[name, search[name]]] : [])),
    ),
    actor_kind: ACTORS.find((each) => each === search.actor_kind),
    entry: typeof search.entry === "string" ? search.entry : undefined,
  }),
});

const FAMILIES = ["user", "key", "budget", "credits", "webhook", "workspace", "project"];

function Audit() {
  const { entry, ...filter } = Route.useSearch();
  const navigate = Route.useNavigate();
  const asked: AuditFilter = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
  const log = useInfiniteQuery(auditQuery(asked));
  const query = new URLSearchParams(asked as Record<string, string>).toString();
  const narrow = (change: Search) => void navigate({ search: { ...filter, ...change }, replace: true });
  const narrowed = Object.keys(asked).length > 0;
  return (
    <div className="space-y-5">
      <form
        className="grid gap-3 sm:grid-cols-2 lg:grid-cols-5"
        onSubmit={(event) => {
          event.preventDefault();
          narrow({ subject: String(new FormData(event.currentTarget).get("subject")).trim() || undefined });
        }}
      >
        <Field label="What">
          {(given) => (
            <Select
              {...given}
              value={filter.action ?? ""}
              onChange={(event) => narrow({ action: event.target.value || undefined })}
            >
              <option value="">everything</option>
              {FAMILIES.map((family) => (
                <option key={family} value={`${family}.*`}>
                  {family}
                </option>
              ))}
              {filter.action && !FAMILIES.includes(filter.action.replace(".*", "")) && (
                <option value={filter.action}>{filter.action}</option>
              )}
            </Select>
          )}
        </Field>
        <Field label="By">
          {(given) => (
            <Select
              {...given}
              value={filter.actor_kind ?? ""}
              onChange={(event) => narrow({ actor_kind: (event.target.value || undefined) as Search["actor_kind"] })}
            >
              <option value="">anybody</option>
              {ACTORS.map((kind) => (
                <option key={kind}>{kind}</option>
              ))}
            </Select>
          )}
        </Field>
        <Field label="To what">
          {(given) => (
            <Input
              key={filter.subject}
              {...given}
              name="subject"
              placeholder="key:… or user:…"
              defaultValue={filter.subject}
            />
          )}
        </Field>
        <Field label="From">
          {(given) => (
            <Input
              {...given}
              type="date"
              value={filter.since?.slice(0, 10) ?? ""}
              onChange={(event) =>
                narrow({ since: event.target.value ? `${event.target.value}T00:00:00Z` : undefined })
              }
            />
          )}
        </Field>
        <Field label="Before">
          {(given) => (
            <Input
              {...given}
              type="date"
              value={filter.until?.slice(0, 10) ?? ""}
              onChange={(event) =>
                narrow({ until: event.target.value ? `${event.target.value}T00:00:00Z` : undefined })
              }
            />
          )}
        </Field>
      </form>
      <div className="flex flex-wrap items-center gap-2">
        {narrowed && (
          <Link to="/settings/audit" className={buttonStyle({ size: "small" })}>
            Show everything <X aria-hidden />
          </Link>
        )}
        {filter.actor_id && <span className="text-sm text-soft">Only what …{filter.actor_id.slice(-8)} did.</span>}
        <div className="flex-1" />
        <CopyCurl path={`/v1/audit-log${query ? `?${query}` : ""}`} />
      </div>
      <Shown
        of={{ data: log.data?.pages.flatMap((page) => page.data), error: log.error, refetch: log.refetch }}
        what="the audit log"
      >
        {(entries) =>
          entries.length ? (
            <Card>
              <ul className="divide-y divide-line">
                {entries.map((each) => (
                  <Entry key={each.id} entry={each} isShown={each.id === entry} filter={filter} />
                ))}
              </ul>
            </Card>
          ) : (
            <Empty title={narrowed ? "Nothing fits" : "Nothing was changed yet"} />
          )
        }
      </Shown>
      {log.hasNextPage && (
        <div className="text-center">
          <Button disabled={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
            Older entries
          </Button>
        </div>
      )}
    </div>
  );
}

function Entry({ entry, isShown, filter }: { entry: AuditEntry; isShown: boolean; filter: AuditFilter }) {
  const who = entry.actor_name ?? entry.actor_kind;
  return (
    <li>
      <Link
        to="/settings/audit"
        search={{ ...filter, entry: isShown ? undefined : entry.id }}
        replace
        aria-expanded={isShown}
        className="flex flex-wrap items-center gap-x-4 gap-y-0.5 px-4 py-2.5 hover:bg-raised"
      >
        <span className="min-w-0 flex-1 basis-48">
          <span className="font-medium">{entry.action}</span>{" "}
          <span className="text-sm text-soft">
            by {entry.actor_kind === who ? who : `${entry.actor_kind} ${who}`}
            {entry.address && ` from ${entry.address}`}
          </span>
        </span>
        <time dateTime={entry.at} className="text-sm text-soft tabular-nums">
          {moment(entry.at)}
        </time>
      </Link>
      {isShown && (
        <div className="space-y-3 border-t border-line p-4">
          <p className="flex flex-wrap gap-x-4 gap-y-1 text-sm">
            <Link
              to="/settings/audit"
              search={{ subject: entry.subject }}
              className="break-all text-accent underline underline-offset-2"
            >
              All that was done to {entry.subject}
            </Link>
            {entry.actor_id && (
              <Link
                to="/settings/audit"
                search={{ actor_id: entry.actor_id }}
                className="text-accent underline underline-offset-2"
              >
                All that {who} did
              </Link>
            )}
          </p>
          <Code name="Entry" text={pretty(entry)} />
        </div>
      )}
    </li>
  );
}
