import { createFileRoute, Outlet } from "@tanstack/react-router";
import { Page } from "@/components/page";
import { Tabs } from "@/components/tabs";

export const Route = createFileRoute("/automation")({ component: Automation });

const TABS = [
  { to: "/automation/triggers", name: "Triggers" },
  { to: "/automation/jobs", name: "Jobs" },
  { to: "/automation/workflows", name: "Workflows" },
] as const;

function Automation() {
  return (
    <Page title="Automation" lead="What starts by itself, work that is tracked, and graphs of steps.">
      <Tabs name="Automation" tabs={TABS} />
      <Outlet />
    </Page>
  );
}
