import { useMutation, useQuery } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { CopyCurl } from "@/components/copy-curl";
import { figureLink } from "@/components/facts";
import { Card } from "@/components/page";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Table } from "@/components/table";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { modelsQuery, providersQuery, tryModel } from "@/features/settings/api";
import { counted, duration, money } from "@/lib/format";
import type { Model } from "@/lib/models";
import { toast } from "@/lib/toast";

export const Route = createFileRoute("/settings/models")({
  component: Models,
  validateSearch: ({ find }: Record<string, unknown>): { find?: string } =>
    typeof find === "string" && find ? { find } : {},
});

const MOST_SHOWN = 200;

function Models() {
  const { find = "" } = Route.useSearch();
  const navigate = Route.useNavigate();
  const models = useQuery(modelsQuery);
  const meant = find.toLowerCase();
  return (
    <div className="space-y-5">
      <Providers />
      <Card title="Models" actions={<CopyCurl path="/v1/models" />}>
        <div className="border-b border-line p-3">
          <Input
            type="search"
            aria-label="Find a model"
            placeholder="Find a model"
            value={find}
            onChange={(event) => void navigate({ search: { find: event.target.value || undefined }, replace: true })}
          />
        </div>
        <Shown of={models} what="models">
          {({ data }) => {
            const found = data.filter(({ id, purpose }) => purpose !== "agent" && id.toLowerCase().includes(meant));
            return found.length ? (
              <>
                <Table
                  name="Models"
                  rows={found.slice(0, MOST_SHOWN)}
                  keyOf={({ id }) => id}
                  columns={[
                    {
                      name: "Model",
                      show: (model) => (
                        <Link
                          to="/usage/calls"
                          search={{ model: model.id }}
                          className="inline-block min-w-44 break-all text-accent underline underline-offset-2"
                        >
                          {model.id}
                        </Link>
                      ),
                    },
                    {
                      name: "For",
                      isExtra: true,
                      show: (model) => `${model.purpose}${model.is_default ? ", the default" : ""}`,
                    },
                    { name: "In, per million", isNumber: true, show: (model) => money(model.input_price_micros) },
                    { name: "Out, per million", isNumber: true, show: (model) => money(model.output_price_micros) },
                    {
                      name: "Try it",
                      isNumber: true,
                      show: (model) => (model.purpose === "other" ? "–" : <Try model={model} />),
                    },
                  ]}
                />
                {found.length > MOST_SHOWN && (
                  <p className="border-t border-line p-3 text-sm text-soft">
                    The first {MOST_SHOWN} of {counted(found.length, "model")}; the field above finds the others.
                  </p>
                )}
              </>
            ) : (
              <div className="p-4">
                <Empty title={find ? "No model is called so" : "There are no models"} />
              </div>
            );
          }}
        </Shown>
      </Card>
      <p className="text-sm text-soft">
        Providers are set where the server is started: OPENAI_API_KEY, ANTHROPIC_API_KEY, OLLAMA_HOST and others. Ollama
        and LM Studio on this machine are found by themselves. A price that nobody knows is unknown, never 0.
      </p>
    </div>
  );
}

function Providers() {
  const providers = useQuery(providersQuery);
  return (
    <Card title="Providers" actions={<CopyCurl path="/v1/providers" />}>
      <Shown of={providers} what="providers">
        {({ data }) => (
          <ul className="divide-y divide-line">
            {data.map((provider) => (
              <li key={provider.name} className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-3">
                <span className="min-w-0 flex-1 basis-56">
                  <span className="block font-medium">{provider.name}</span>
                  <span className="block text-sm wrap-anywhere text-soft">
                    {provider.base_url || (provider.name === "glia" ? "built in" : "")}
                    {provider.key_variable &&
                      ` · ${provider.has_key ? "key set by" : "no key in"} ${provider.key_variable}`}
                    {provider.is_local && provider.name !== "glia" && " · on this machine"}
                  </span>
                  {provider.problem && <span className="block text-sm break-words text-bad">{provider.problem}</span>}
                </span>
                <Link
                  to="/settings/models"
                  search={{ find: provider.name === "glia" ? "glia/" : `${provider.name}/` }}
                  className={`text-sm text-soft ${figureLink}`}
                >
                  {counted(provider.models, "model")}
                </Link>
                <Status
                  value={provider.problem ? "failing" : "ready"}
                  className={provider.problem ? "bg-bad-soft text-bad" : ""}
                />
              </li>
            ))}
          </ul>
        )}
      </Shown>
    </Card>
  );
}

function Try({ model }: { model: Model }) {
  const trying = useMutation({
    mutationFn: () => tryModel(model.id, model.purpose),
    onSuccess: ({ ms, said }) => toast.success(`${model.id} answered in ${duration(ms)}: ${said.slice(0, 120)}`),
    onError: (error) => toast.error(`${model.id}: ${error.message}`),
  });
  return (
    <Button size="small" disabled={trying.isPending} title="One small call" onClick={() => trying.mutate()}>
      {trying.isPending ? "Asking" : "Try"}
      <span className="sr-only"> {model.id}</span>
    </Button>
  );
}
