import { createFileRoute, useNavigate } from "@tanstack/react-router";
import { Page } from "@/components/page";
import { Editor } from "@/features/agents/editor";

export const Route = createFileRoute("/agents/new")({ component: NewAgent });

function NewAgent() {
  const navigate = useNavigate();
  return (
    <Page title="New agent">
      <div className="max-w-3xl">
        <Editor
          agent={null}
          onSaved={(agent) => void navigate({ to: "/agents/$agent", params: { agent: agent.slug } })}
        />
      </div>
    </Page>
  );
}
