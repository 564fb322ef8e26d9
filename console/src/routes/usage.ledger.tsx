import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import { type FormEvent, type ReactNode, useState } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { Modal } from "@/components/modal";
import { Card } from "@/components/page";
import { Problem } from "@/components/problem";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Table } from "@/components/table";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Field, Input } from "@/components/ui/field";
import { creditQuery, holdsQuery, postCredit, switchCredits, transactionsQuery } from "@/features/usage/api";
import { Holds } from "@/features/usage/holds";
import { fold, microsOf } from "@/features/usage/ledger";
import { moment, money } from "@/lib/format";
import { toast } from "@/lib/toast";
import { useNames } from "./-names";

export const Route = createFileRoute("/usage/ledger")({ component: Ledger });

const runLink = (run: string, children: ReactNode) => (
  <Link to="/runs/$run" params={{ run }} className="text-accent underline underline-offset-2">
    {children}
  </Link>
);

function Ledger() {
  const holds = useQuery(holdsQuery());
  return (
    <div className="space-y-5">
      <Credit />
      <Card title="Held now" actions={<CopyCurl path="/v1/budgets/holds" />}>
        <Shown of={holds} what="holds">
          {({ data }) => <Holds holds={data} link={runLink} />}
        </Shown>
      </Card>
      <Statement />
    </div>
  );
}

function Credit() {
  const credit = useQuery(creditQuery);
  const queries = useQueryClient();
  const switching = useMutation({
    mutationFn: switchCredits,
    onError: (error) => toast.error(error.message),
    onSettled: () => queries.invalidateQueries({ queryKey: ["credits"] }),
  });
  return (
    <Shown of={credit} what="the credit">
      {(found) => (
        <Card
          title="Credit"
          actions={
            <div className="flex gap-2">
              <Add />
              {found.is_enabled ? (
                <Button size="small" onClick={() => switching.mutate(false)}>
                  Switch off
                </Button>
              ) : (
                <Confirm
                  title="Switch credits on?"
                  text={`From then on no call is made that the balance of ${money(found.balance_micros)} does not cover, and none whose price is unknown.`}
                  action="Switch on"
                  onConfirm={() => switching.mutate(true)}
                >
                  <Button size="small">Switch on</Button>
                </Confirm>
              )}
            </div>
          }
        >
          <dl className="grid grid-cols-2 gap-4 p-4 sm:grid-cols-3 lg:grid-cols-6">
            {(
              [
                ["Balance", found.balance_micros],
                ["Held", found.held_micros],
                ["Spent", found.spent_micros],
                ["Granted", found.granted_micros],
                ["Adjusted", found.adjusted_micros],
                ["Shortfall", found.shortfall_micros],
              ] as const
            ).map(([name, value]) => (
              <div key={name}>
                <dt className="text-sm text-soft">{name}</dt>
                <dd className="text-xl font-semibold tabular-nums">{money(value)}</dd>
              </div>
            ))}
          </dl>
          {!found.is_enabled && (
            <p className="px-4 pb-4 text-sm text-soft">
              Credits are off: nothing is taken from the balance, and calls are not stopped by it.
            </p>
          )}
        </Card>
      )}
    </Shown>
  );
}

function Add() {
  const queries = useQueryClient();
  const [isOpen, setIsOpen] = useState(false);
  const posting = useMutation({
    mutationFn: (form: FormData) => {
      const micros = microsOf(String(form.get("dollars")));
      if (!micros) throw new Error("Dollars are written as 12.50, or -12.50 to take credit away.");
      return postCredit(micros, String(form.get("note") ?? "").trim());
    },
    onSuccess: () => {
      setIsOpen(false);
      toast.success("It stands in the statement.");
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["credits"] }),
  });
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    posting.mutate(new FormData(event.currentTarget));
  };
  return (
    <>
      <Button size="small" onClick={() => setIsOpen(true)}>
        Add credit
      </Button>
      <Modal
        title="Add credit"
        isOpen={isOpen}
        onClose={() => setIsOpen(false)}
        lead="A negative amount puts something right, down to a balance of 0."
      >
        <form className="space-y-4" onSubmit={onSubmit}>
          <Field label="Dollars">{(given) => <Input {...given} name="dollars" required inputMode="decimal" />}</Field>
          <Field label="Note">{(given) => <Input {...given} name="note" maxLength={500} />}</Field>
          <Problem of={posting.error} />
          <Button type="submit" look="main" disabled={posting.isPending}>
            Post
          </Button>
        </form>
      </Modal>
    </>
  );
}

function Statement() {
  const names = useNames();
  const statement = useInfiniteQuery(transactionsQuery);
  const pages = statement.data?.pages.flatMap((page) => page.data);
  return (
    <Card title="Statement" actions={<CopyCurl path="/v1/credits/transactions" />}>
      <Shown of={{ data: pages, error: statement.error, refetch: statement.refetch }} what="the statement">
        {(transactions) =>
          transactions.length === 0 ? (
            <div className="p-4">
              <Empty title="Nothing was posted yet">
                With credits on, each model call stands here: what was held for it, and what it was settled with.
                Without them, every call is under Calls.
              </Empty>
            </div>
          ) : (
            <Table
              name="Statement"
              rows={fold(transactions)}
              keyOf={(line) => line.id}
              columns={[
                { name: "At", show: (line) => <span className="whitespace-nowrap">{moment(line.at)}</span> },
                {
                  name: "What",
                  show: (line) =>
                    line.run
                      ? runLink(line.run, `run …${line.run.slice(-8)}`)
                      : line.kind === "call"
                        ? `a call by ${names.key(line.key)}`
                        : `${line.kind}${line.note ? `: ${line.note}` : ""}`,
                },
                {
                  name: "Held",
                  isNumber: true,
                  isExtra: true,
                  show: (line) => (line.kind === "call" ? money(line.held) : ""),
                },
                {
                  name: "Spent",
                  isNumber: true,
                  isExtra: true,
                  show: (line) => (line.kind === "call" ? money(line.spent) : ""),
                },
                {
                  name: "Balance",
                  isNumber: true,
                  show: (line) => `${line.balance < 0 ? "−" : "+"}${money(Math.abs(line.balance))}`,
                },
                { name: "State", show: (line) => <Status value={line.state} /> },
              ]}
            />
          )
        }
      </Shown>
      {statement.hasNextPage && (
        <div className="border-t border-line p-3 text-center">
          <Button disabled={statement.isFetchingNextPage} onClick={() => void statement.fetchNextPage()}>
            Older entries
          </Button>
        </div>
      )}
    </Card>
  );
}
