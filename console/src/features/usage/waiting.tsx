import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Play } from "lucide-react";
import { type ReactNode, useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Modal } from "@/components/modal";
import { Problem } from "@/components/problem";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { ago } from "@/lib/format";
import { toast } from "@/lib/toast";
import { resumeWith, type Suspension } from "./api";
import { dollarsOf, microsOf } from "./ledger";
import { inUnit } from "./limits";

interface Props {
  suspensions: Suspension[];
  agentName: (id: string | null) => string;
  /** A link to the event that says what was lacking. */
  link: (suspension: Suspension, children: ReactNode) => ReactNode;
  /** Where its budget is raised. */
  budgetLink?: (budget: string) => ReactNode;
}

/** Runs that lack money or room, with what each needs. */
export function Waiting({ suspensions, agentName, link, budgetLink }: Props) {
  return (
    <ul className="divide-y divide-line">
      {suspensions.map((suspension) => (
        <li key={suspension.id} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
          <div className="min-w-0 flex-1 basis-64">
            {link(suspension, agentName(suspension.agent_id))}
            <p className="text-sm text-soft">
              Needs {inUnit(suspension.unit, suspension.needed)}; {inUnit(suspension.unit, suspension.spent)} of{" "}
              {inUnit(suspension.unit, suspension.limit)} spent
              {suspension.reserved > 0 && `, ${inUnit(suspension.unit, suspension.reserved)} held`} · since{" "}
              {ago(suspension.at)}
              {suspension.budget_id === null && " · the credit does not cover it"}
            </p>
          </div>
          {suspension.budget_id && !suspension.is_of_agent && budgetLink?.(suspension.budget_id)}
          <Resume suspension={suspension} />
        </li>
      ))}
    </ul>
  );
}

function Resume({ suspension }: { suspension: Suspension }) {
  const queries = useQueryClient();
  const [isOpen, setIsOpen] = useState(false);
  const resuming = useMutation({
    mutationFn: (micros: number | null) => resumeWith(suspension.id, micros),
    onSuccess: () => {
      setIsOpen(false);
      toast.success("The run looks again.");
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["budgets"] }),
  });
  return (
    <>
      <Button size="small" onClick={() => (suspension.is_of_agent ? setIsOpen(true) : resuming.mutate(null))}>
        <Play aria-hidden /> {suspension.is_of_agent ? "Give more and resume" : "Look again"}
      </Button>
      <Modal
        title="Give this run more"
        lead={`Its agent allows ${inUnit(suspension.unit, suspension.limit)} a run. The next call needs ${inUnit(suspension.unit, suspension.needed)}.`}
        isOpen={isOpen}
        onClose={() => setIsOpen(false)}
      >
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            resuming.mutate(microsOf(String(new FormData(event.currentTarget).get("dollars"))));
          }}
        >
          <Field label="Dollars in all, with all that it starts">
            {(given) => (
              <Input
                {...given}
                name="dollars"
                required
                pattern="\$?\d+([.,]\d{1,6})?"
                inputMode="decimal"
                defaultValue={dollarsOf(suspension.limit * 2 || suspension.needed)}
              />
            )}
          </Field>
          <Problem of={resuming.error} />
          <div className="flex gap-2">
            <Button type="submit" look="main" disabled={resuming.isPending}>
              Resume
            </Button>
            <CopyCurl
              method="POST"
              path={`/v1/runs/${suspension.id}/resume`}
              body={(form: FormData) => ({ max_cost_micros: microsOf(String(form.get("dollars"))) })}
            />
          </div>
        </form>
      </Modal>
    </>
  );
}
