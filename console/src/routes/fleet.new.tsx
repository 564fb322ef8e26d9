import { useQueryClient } from "@tanstack/react-query";
import { createFileRoute, useNavigate } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { Card, Page } from "@/components/page";
import { createDeployment } from "@/features/deployments/api";
import { bodyOf, type Draft, EMPTY } from "@/features/deployments/draft";
import { DeploymentForm } from "@/features/deployments/form";

export const Route = createFileRoute("/fleet/new")({ component: NewDeployment });

const EXAMPLE = { name: "hello", runtime: "python", binary_url: "storage://bin/hello.py", replicas: 2 };

function NewDeployment() {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const onSave = async (draft: Draft, stored: () => void) => {
    const made = await createDeployment(bodyOf(draft));
    stored();
    await queries.invalidateQueries({ queryKey: ["deployments"] });
    await navigate({ to: "/fleet/$deployment", params: { deployment: made.name } });
  };
  return (
    <Page
      title="Deploy a program"
      lead="An executable, or a script or archive for Python or Node."
      actions={<CopyCurl method="POST" path="/v1/deployments" body={EXAMPLE} />}
    >
      <Card className="max-w-3xl p-4 md:p-6">
        <DeploymentForm begin={EMPTY} action="Deploy" onSave={onSave} />
      </Card>
    </Page>
  );
}
