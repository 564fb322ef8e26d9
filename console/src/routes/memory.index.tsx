import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { Search as SearchIcon, X } from "lucide-react";
import { useMemo } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Page } from "@/components/page";
import { Pills, pillOptions, pillStyle } from "@/components/pills";
import { Button } from "@/components/ui/button";
import { Input, Select } from "@/components/ui/field";
import { agentsQuery } from "@/features/agents/api";
import { AddFact } from "@/features/memory/add-fact";
import { type Filter, TIERS, type Tier } from "@/features/memory/api";
import { Blocks } from "@/features/memory/blocks";
import { Conflicts } from "@/features/memory/conflicts";
import { FactList } from "@/features/memory/fact-list";
import { Transfer } from "@/features/memory/transfer";

const SHOWN = ["blocks", "conflicts"] as const;
const STATES = ["active", "superseded", "forgotten", "all"] as const;

interface Search {
  show?: (typeof SHOWN)[number];
  agent?: string;
  user?: string;
  bucket?: string;
  tier?: Tier;
  status?: (typeof STATES)[number];
  query?: string;
  /** Whether a fact or a block is being written. */
  make?: true;
}

const text = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : undefined);

export const Route = createFileRoute("/memory/")({
  component: Memory,
  validateSearch: (search: Record<string, unknown>): Search => ({
    show: SHOWN.find((each) => each === search.show),
    agent: text(search.agent),
    user: text(search.user),
    bucket: text(search.bucket),
    tier: TIERS.find((each) => each === search.tier),
    status: STATES.find((each) => each === search.status),
    query: text(search.query),
    make: search.make === true ? true : undefined,
  }),
});

function Memory() {
  const { show, agent, user, bucket, tier, status, query, make } = Route.useSearch();
  const navigate = useNavigate({ from: "/memory/" });
  const agents = useQuery(agentsQuery);
  const names = useMemo(() => new Map(agents.data?.data.map(({ id, name }) => [id, name])), [agents.data]);
  // The address may name an agent by its slug.
  const whose = agents.data?.data.find((each) => each.id === agent || each.slug === agent)?.id ?? agent;
  const filter: Filter = { agent_id: whose, user_name: user, bucket, tier, status };
  const path =
    show === "blocks" ? "/v1/memory-blocks" : show === "conflicts" ? "/v1/memories/conflicts" : "/v1/memories";
  const onMaking = (isMaking: boolean) => set({ make: isMaking || undefined });
  const set = (next: Partial<Search>) => void navigate({ search: (before) => ({ ...before, ...next }), replace: true });
  return (
    <Page
      title="Memory"
      lead="What agents know beyond a conversation, where it comes from, and how to change it."
      actions={
        <>
          {query && !show ? (
            <CopyCurl method="POST" path="/v1/memories/search" body={{ query, ...filter, status: undefined }} />
          ) : (
            <CopyCurl path={`${path}${whose ? `?agent_id=${whose}` : ""}`} />
          )}
          {!show && <Transfer filter={filter} />}
        </>
      }
    >
      <Pills name="Views">
        {([undefined, ...SHOWN] as const).map((each) => (
          <Link
            key={each ?? "facts"}
            to="/memory"
            search={{ show: each, agent }}
            className={pillStyle}
            activeOptions={pillOptions}
          >
            {each === "conflicts" ? "contradictions" : (each ?? "facts")}
          </Link>
        ))}
      </Pills>
      <div className="mb-4 flex flex-wrap gap-2">
        <Select
          aria-label="Agent"
          className="w-full sm:w-52"
          value={whose ?? ""}
          onChange={(event) => set({ agent: event.target.value || undefined })}
        >
          <option value="">All agents</option>
          {whose && !names.has(whose) && <option value={whose}>{agent}</option>}
          {[...names].map(([id, name]) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </Select>
        {!show && (
          <>
            <Words key={`user ${user}`} name="User" value={user} onValue={(next) => set({ user: next })} />
            <Words key={`bucket ${bucket}`} name="Bucket" value={bucket} onValue={(next) => set({ bucket: next })} />
            <Select
              aria-label="How long it lasts"
              className="w-32 flex-1 sm:flex-none"
              value={tier ?? ""}
              onChange={(event) => set({ tier: (event.target.value || undefined) as Tier | undefined })}
            >
              <option value="">any tier</option>
              {TIERS.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </Select>
            <Select
              aria-label="State"
              className="w-36 flex-1 sm:flex-none"
              value={status ?? "active"}
              disabled={Boolean(query)}
              onChange={(event) => set({ status: event.target.value as Search["status"] })}
            >
              {STATES.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </Select>
          </>
        )}
      </div>
      {show === "blocks" && <Blocks agents={names} agent={whose} isMaking={make === true} onMaking={onMaking} />}
      {show === "conflicts" && <Conflicts agent={whose} />}
      {!show && (
        <div className="space-y-4">
          <SearchBox key={query} query={query ?? ""} onQuery={(next) => set({ query: next || undefined })} />
          <AddFact agents={names} agent={whose} isOpen={make === true} onOpen={onMaking} />
          <FactList filter={filter} query={query ?? ""} agents={names} />
        </div>
      )}
    </Page>
  );
}

function Words({ name, value, onValue }: { name: string; value?: string; onValue: (next?: string) => void }) {
  return (
    <Input
      aria-label={name}
      placeholder={`any ${name.toLowerCase()}`}
      className="w-32 flex-1 sm:flex-none"
      defaultValue={value}
      onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
      onBlur={(event) => event.target.value.trim() !== (value ?? "") && onValue(event.target.value.trim() || undefined)}
    />
  );
}

function SearchBox({ query, onQuery }: { query: string; onQuery: (query: string) => void }) {
  return (
    <search>
      <form
        className="flex gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          onQuery(String(new FormData(event.currentTarget).get("query") ?? "").trim());
        }}
      >
        <Input
          name="query"
          aria-label="What would an agent find?"
          placeholder="What would an agent find? Ask as it would."
          defaultValue={query}
        />
        <Button type="submit" look="main" aria-label="Search">
          <SearchIcon aria-hidden />
        </Button>
        {query && (
          <Button aria-label="Show the newest again" onClick={() => onQuery("")}>
            <X aria-hidden />
          </Button>
        )}
      </form>
    </search>
  );
}
