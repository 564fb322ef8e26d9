import { createFileRoute, useNavigate } from "@tanstack/react-router";
import { DefinitionForm } from "@/features/workflows/definition-form";

export const Route = createFileRoute("/automation/workflows/new")({ component: NewWorkflow });

function NewWorkflow() {
  const navigate = useNavigate();
  return (
    <div className="space-y-4">
      <h2 className="text-xl font-semibold">New workflow</h2>
      <DefinitionForm
        onDone={({ slug }) => void navigate({ to: "/automation/workflows/$workflow", params: { workflow: slug } })}
      />
    </div>
  );
}
