import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link, useNavigate } from "@tanstack/react-router";
import { EyeOff, RotateCcw, ThumbsDown, ThumbsUp, Trash2, Undo2 } from "lucide-react";
import { useMemo } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Facts, linkStyle } from "@/components/facts";
import { Loaded } from "@/components/loaded";
import { Card, Page } from "@/components/page";
import { PlaceLink } from "@/components/place-link";
import { Status } from "@/components/status";
import { Button } from "@/components/ui/button";
import { agentsQuery } from "@/features/agents/api";
import { deleteMemory, type Memory, memoryQuery, rateMemory, undoMemory } from "@/features/memory/api";
import { FactEditor } from "@/features/memory/fact-editor";
import { FactVersions } from "@/features/memory/fact-versions";
import { Origin, useForgetting, whose } from "@/features/memory/facts";
import { Finds } from "@/features/memory/finds";
import { count, counted, moment, pretty } from "@/lib/format";
import { useRemoval } from "@/lib/removal";
import { toast } from "@/lib/toast";
import { runLink } from "./-run-link";

export const Route = createFileRoute("/memory/facts/$memory")({ component: FactPage });

function FactPage() {
  const { memory: id } = Route.useParams();
  const memory = useQuery(memoryQuery(id));
  return (
    <Loaded of={memory} what="the memory" title="Memory" back={{ to: "/memory", name: "All memories" }}>
      {(found) => <Found memory={found} />}
    </Loaded>
  );
}

function Found({ memory }: { memory: Memory }) {
  const agents = useQuery(agentsQuery);
  const names = useMemo(() => new Map(agents.data?.data.map(({ id, name }) => [id, name])), [agents.data]);
  return (
    <Page
      title={
        <span className="flex flex-wrap items-center gap-3">
          Memory {memory.number} <Status value={memory.status} />
        </span>
      }
      lead={
        <>
          {whose(memory, names)} · <Origin memory={memory} />
        </>
      }
      actions={<Actions memory={memory} />}
    >
      <div className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_minmax(0,24rem)]">
        <div className="min-w-0 space-y-5">
          <Card title="What it says">
            <FactEditor key={memory.id} memory={memory} />
          </Card>
          <Card
            id="finds"
            title={`Found (${count(memory.accesses)})`}
            actions={<CopyCurl path={`/v1/memories/${memory.id}/finds`} />}
          >
            <Finds memory={memory} link={(run, children, call) => runLink(run, children, { call })} />
          </Card>
          <Card id="versions" title="Versions">
            <FactVersions memory={memory} />
          </Card>
        </div>
        <Card title="About it">
          <div className="p-4">
            <About memory={memory} />
          </div>
        </Card>
      </div>
    </Page>
  );
}

function About({ memory }: { memory: Memory }) {
  const metadata = Object.keys(memory.metadata).length ? pretty(memory.metadata) : "";
  return (
    <Facts
      of={[
        ["comes from", <Origin key="origin" memory={memory} />],
        ["about", memory.topic && `${memory.topic}: ${memory.value}`],
        ["importance", `${memory.importance}, as it was said`],
        ["strength", `${memory.strength.toFixed(3)}, after fading`],
        [
          "found",
          <PlaceLink key="found" place="finds">
            {counted(memory.accesses, "time")}
            {memory.accesses > 0 && `, last ${moment(memory.used_at)}`}
          </PlaceLink>,
        ],
        ["said again", memory.reinforced > 0 && `${memory.reinforced} times`],
        [
          "rated",
          memory.useful + memory.not_useful > 0 && (
            <PlaceLink key="rated" place="versions">
              useful {memory.useful}, not {memory.not_useful}
            </PlaceLink>
          ),
        ],
        ["ends", memory.expires_at ? moment(memory.expires_at) : "never by itself"],
        [
          "replaced by",
          memory.superseded_by && (
            <Link key="by" to="/memory/facts/$memory" params={{ memory: memory.superseded_by }} className={linkStyle}>
              a newer memory
            </Link>
          ),
        ],
        ["made", moment(memory.created_at)],
        ["changed", moment(memory.updated_at)],
        ["metadata", metadata && <pre className="font-mono text-xs whitespace-pre-wrap">{metadata}</pre>],
      ]}
    />
  );
}

function Actions({ memory }: { memory: Memory }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const setting = useForgetting(memory);
  const onError = (error: Error) => toast.error(error.message);
  const onSettled = () => queries.invalidateQueries({ queryKey: ["memories"] });
  const rating = useMutation({
    mutationFn: (isUseful: boolean) => rateMemory(memory.id, isUseful),
    onSuccess: (rated) => toast.success(`Its importance is ${rated.importance.toFixed(2)} now.`),
    onError,
    onSettled,
  });
  const undoing = useMutation({
    mutationFn: () => undoMemory(memory.id),
    onSuccess: () => toast.success("The latest change is taken back."),
    onError,
    onSettled,
  });
  const remove = useRemoval(["memories"]);
  const onRemove = () => {
    remove(memory.id, `Memory ${memory.number} is deleted, with all its versions.`, () => deleteMemory(memory.id));
    void navigate({ to: "/memory" });
  };
  const isActive = memory.status === "active";
  return (
    <>
      <Button aria-label="It was useful" title="It was useful" onClick={() => rating.mutate(true)}>
        <ThumbsUp aria-hidden />
      </Button>
      <Button aria-label="It was of no use" title="It was of no use" onClick={() => rating.mutate(false)}>
        <ThumbsDown aria-hidden />
      </Button>
      {memory.version > 1 && (
        <Button disabled={undoing.isPending} onClick={() => undoing.mutate()}>
          <Undo2 aria-hidden /> Undo
        </Button>
      )}
      <Button disabled={setting.isPending} onClick={() => setting.mutate(isActive ? "forgotten" : "active")}>
        {isActive ? <EyeOff aria-hidden /> : <RotateCcw aria-hidden />} {isActive ? "Forget" : "Bring back"}
      </Button>
      <Button onClick={onRemove} look="danger">
        <Trash2 aria-hidden /> Delete
      </Button>
      <CopyCurl path={`/v1/memories/${memory.id}`} />
    </>
  );
}
