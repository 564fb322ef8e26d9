import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Code } from "@/components/code";
import { Card } from "@/components/page";
import { Shown } from "@/components/states";
import { Button } from "@/components/ui/button";
import { ago, pretty } from "@/lib/format";
import { toast } from "@/lib/toast";
import { type Recipe, recipeVersionsQuery, updateRecipe } from "./api";

/** What a recipe is made of, its versions, and whether it is at work. */
export function RecipeCard({ recipe }: { recipe: Recipe }) {
  const queries = useQueryClient();
  const versions = useQuery(recipeVersionsQuery(recipe.name));
  const switching = useMutation({
    mutationFn: () => updateRecipe(recipe.name, { is_enabled: !recipe.is_enabled }),
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["tools"] }),
  });
  const { code, ...config } = recipe.config as { code?: string };
  return (
    <Card
      title="Recipe"
      actions={
        <Button size="small" disabled={switching.isPending} onClick={() => switching.mutate()}>
          {recipe.is_enabled ? "Switch off" : "Switch on"}
        </Button>
      }
    >
      <div className="space-y-3 p-4 text-sm">
        {code && <Code name="Program" text={code} />}
        <Code name="How it is made" text={pretty(config)} />
        {recipe.header_names.length > 0 && (
          <p className="text-soft">Secret headers: {recipe.header_names.join(", ")}</p>
        )}
        <Shown of={versions} what="versions">
          {({ data }) =>
            data.length > 0 && (
              <ul aria-label="Versions">
                {data.map((version) => (
                  <li key={version.id}>
                    <details>
                      <summary>
                        Version {version.version}
                        <span className="text-soft">
                          {version.is_default && " · at work"}
                          {version.is_deprecated && " · not to be used any more"} · {ago(version.created_at)}
                        </span>
                      </summary>
                      {version.code && (
                        <Code name={`Version ${version.version}`} text={version.code} className="mt-1.5" />
                      )}
                    </details>
                  </li>
                ))}
              </ul>
            )
          }
        </Shown>
      </div>
    </Card>
  );
}
