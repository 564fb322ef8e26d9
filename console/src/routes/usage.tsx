import { createFileRoute, Outlet } from "@tanstack/react-router";
import { Page } from "@/components/page";
import { Tabs } from "@/components/tabs";

export const Route = createFileRoute("/usage")({ component: Usage });

const TABS = [
  { to: "/usage", name: "Spend", exact: true },
  { to: "/usage/calls", name: "Calls" },
  { to: "/usage/budgets", name: "Budgets" },
  { to: "/usage/ledger", name: "Ledger" },
] as const;

function Usage() {
  return (
    <Page title="Usage and budgets" lead="What model calls cost, what limits them, and the runs behind every number.">
      <Tabs name="Usage" tabs={TABS} />
      <Outlet />
    </Page>
  );
}
