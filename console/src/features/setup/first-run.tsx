import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Sparkles } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Failure } from "@/components/states";
import { Button } from "@/components/ui/button";
import { listModels } from "@/lib/models";
import { FIRST_QUESTION, makeSample } from "./sample";

interface Props {
  /** Opens a session with the agent and asks. */
  onReady: (agent: string, question: string) => Promise<unknown>;
  other: ReactNode;
}

export function FirstRun({ onReady, other }: Props) {
  const queries = useQueryClient();
  const [step, setStep] = useState("");
  const models = useQuery({
    queryKey: ["models"],
    queryFn: () => listModels(),
  });
  const beginning = useMutation({
    mutationFn: async () => {
      const agent = await makeSample(setStep);
      setStep("Asking the first question");
      await onReady(agent, FIRST_QUESTION);
    },
    onSettled: () => queries.invalidateQueries(),
  });
  const model = models.data?.data.find((each) => each.is_default && each.purpose === "chat");
  return (
    <section className="mx-auto max-w-xl rounded-2xl border border-line bg-panel p-6 md:p-8">
      <Sparkles className="size-7 text-accent" aria-hidden />
      <h2 className="mt-3 text-xl font-semibold tracking-tight">A first answer, in under a minute</h2>
      <p className="mt-2 text-soft">
        This makes a knowledge base with a small travel handbook, an agent that answers from it, and asks it: “
        {FIRST_QUESTION}” You can delete all of it afterwards.
      </p>
      {model && (
        <p className="mt-3 text-sm text-soft">
          Model: <span className="font-mono text-ink">{model.id}</span>
          {model.id === "glia/embedded" &&
            ", which is built in and answers by quoting. Set OPENAI_API_KEY or start Ollama for one that writes."}
        </p>
      )}
      <div className="mt-5 flex flex-wrap items-center gap-2">
        <Button look="main" disabled={beginning.isPending} onClick={() => beginning.mutate()}>
          {beginning.isPending ? `${step}…` : "Make it and ask"}
        </Button>
        {!beginning.isPending && other}
      </div>
      <div aria-live="polite" className="sr-only">
        {step}
      </div>
      {beginning.error && <Failure error={beginning.error} onRetry={() => beginning.mutate()} />}
    </section>
  );
}
