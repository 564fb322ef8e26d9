import { createFileRoute, useNavigate } from "@tanstack/react-router";
import { Page } from "@/components/page";
import { NewForm } from "@/features/sandboxes/new-form";

export const Route = createFileRoute("/sandboxes/new")({
  component: NewSandbox,
  validateSearch: ({ snapshot }: Record<string, unknown>): { snapshot?: string } => ({
    snapshot: typeof snapshot === "string" ? snapshot : undefined,
  }),
});

function NewSandbox() {
  const { snapshot } = Route.useSearch();
  const navigate = useNavigate();
  return (
    <Page title="New sandbox">
      <div className="max-w-3xl">
        <NewForm
          snapshot={snapshot}
          onMade={(made) => void navigate({ to: "/sandboxes/$sandbox", params: { sandbox: made.id } })}
        />
      </div>
    </Page>
  );
}
