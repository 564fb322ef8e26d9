import { createFileRoute, Outlet } from "@tanstack/react-router";
import { Page } from "@/components/page";
import { Tabs } from "@/components/tabs";

export const Route = createFileRoute("/settings")({ component: Settings });

const TABS = [
  { to: "/settings/workspace", name: "Workspace" },
  { to: "/settings/people", name: "People" },
  { to: "/settings/keys", name: "Keys" },
  { to: "/settings/webhooks", name: "Webhooks" },
  { to: "/settings/models", name: "Models" },
  { to: "/settings/audit", name: "Audit log" },
  { to: "/settings/health", name: "Health" },
] as const;

function Settings() {
  return (
    <Page title="Settings" lead="Who may do what, who is told, what answers, and how everything is.">
      <Tabs name="Settings" tabs={TABS} />
      <Outlet />
    </Page>
  );
}
