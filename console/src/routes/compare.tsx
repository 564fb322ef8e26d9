import { useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { figureLink } from "@/components/facts";
import { Page } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { buttonStyle } from "@/components/ui/button";
import { comparisonQuery } from "@/features/sessions/api";
import { SideView } from "@/features/sessions/comparison";

export const Route = createFileRoute("/compare")({
  component: Compare,
  validateSearch: ({ first, second }: Record<string, unknown>) => ({
    first: typeof first === "string" ? first : "",
    second: typeof second === "string" ? second : "",
  }),
});

function Compare() {
  const { first, second } = Route.useSearch();
  return first && second ? (
    <Both first={first} second={second} />
  ) : (
    <Page title="Compare">
      <Empty title="Two conversations are needed">A branch offers to be compared with the one it came from.</Empty>
    </Page>
  );
}

function Both({ first, second }: { first: string; second: string }) {
  const comparison = useQuery(comparisonQuery(first, second));
  const open = (session: string) => (
    <Link to="/chat/$session" params={{ session }} className={buttonStyle({ look: "quiet", size: "small" })}>
      Open
    </Link>
  );
  const calls = (session_id: string) => (figures: string) => (
    <Link to="/usage/calls" search={{ session_id }} className={figureLink}>
      {figures}
    </Link>
  );
  return (
    <Page
      title="Compare"
      lead={comparison.data && `Both share everything up to event ${comparison.data.shared}.`}
      actions={<CopyCurl path={`/v1/sessions/${first}/compare?with=${second}`} />}
    >
      <Shown of={comparison} what="the comparison">
        {(found) => (
          <div className="grid items-start gap-5 lg:grid-cols-2">
            <SideView title="Original" side={found.first} link={open(first)} calls={calls(first)} />
            <SideView title="Branch" side={found.second} link={open(second)} calls={calls(second)} />
          </div>
        )}
      </Shown>
    </Page>
  );
}
