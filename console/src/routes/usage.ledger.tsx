import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createFileRoute, Link } from "@tanstack/react-router";
import type { FormEvent } from "react";
import { CopyCurl } from "@/components/copy-curl";
import { figureLink } from "@/components/facts";
import { Modal } from "@/components/modal";
import { Card } from "@/components/page";
import { Problem } from "@/components/problem";
import { Empty, Shown } from "@/components/states";
import { Status } from "@/components/status";
import { Table } from "@/components/table";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Field, Input } from "@/components/ui/field";
import {
  ACCOUNTS,
  type Account,
  creditQuery,
  holdsQuery,
  postCredit,
  switchCredits,
  transactionsQuery,
} from "@/features/usage/api";
import { Holds } from "@/features/usage/holds";
import { fold, microsOf, singly, sumOf } from "@/features/usage/ledger";
import { counted, moment, money } from "@/lib/format";
import { toast } from "@/lib/toast";
import { reversible } from "@/lib/undo";
import { useNames } from "./-names";
import { runLink } from "./-run-link";

const signed = (micros: number) => `${micros < 0 ? "−" : ""}${money(Math.abs(micros))}`;

interface Search {
  account?: Account;
  add?: true;
}

export const Route = createFileRoute("/usage/ledger")({
  component: Ledger,
  validateSearch: ({ account, add }: Record<string, unknown>): Search => ({
    account: ACCOUNTS.find((each) => each === account),
    add: add === true ? true : undefined,
  }),
});

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
  const read = () => queries.invalidateQueries({ queryKey: ["credits"] });
  const switching = useMutation({
    mutationFn: switchCredits,
    onSuccess: (_, isOn) =>
      reversible(isOn ? "Credits are on." : "Credits are off.", () => switchCredits(!isOn).then(read)),
    onError: (error) => toast.error(error.message),
    onSettled: read,
  });
  return (
    <Shown of={credit} what="the credit">
      {(found) => (
        <Card
          title="Credit"
          actions={
            <div className="flex flex-wrap justify-end gap-2">
              <CopyCurl path="/v1/credits" />
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
          <dl aria-label="Accounts" className="grid grid-cols-2 gap-4 p-4 sm:grid-cols-3 lg:grid-cols-6">
            {(
              [
                ["Balance", found.balance_micros, "balance"],
                ["Held", found.held_micros, "held"],
                ["Spent", found.spent_micros, "spent"],
                ["Granted", found.granted_micros, "granted"],
                ["Adjusted", found.adjusted_micros, "adjusted"],
                ["Shortfall", found.shortfall_micros, "shortfall"],
              ] as const
            ).map(([name, value, account]) => (
              <div key={name}>
                <dt className="text-sm text-soft">{name}</dt>
                <dd className="text-xl font-semibold tabular-nums">
                  <Link to="/usage/ledger" search={{ account }} hash="statement" className={figureLink}>
                    {signed(value)}
                  </Link>
                </dd>
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
  const { add, account } = Route.useSearch();
  const navigate = Route.useNavigate();
  const setIsOpen = (isOpen: boolean) =>
    void navigate({ search: { account, add: isOpen || undefined }, replace: true });
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
        isOpen={add === true}
        onClose={() => setIsOpen(false)}
        lead="A negative amount puts something right, down to a balance of 0."
      >
        <form className="space-y-4" onSubmit={onSubmit}>
          <Field label="Dollars">{(given) => <Input {...given} name="dollars" required inputMode="decimal" />}</Field>
          <Field label="Note">{(given) => <Input {...given} name="note" maxLength={500} />}</Field>
          <Problem of={posting.error} />
          <div className="flex gap-2">
            <Button type="submit" look="main" disabled={posting.isPending}>
              Post
            </Button>
            <CopyCurl
              method="POST"
              path="/v1/credits/grants"
              body={(form: FormData) => ({
                amount_micros: microsOf(String(form.get("dollars"))) ?? 0,
                note: String(form.get("note") ?? "").trim(),
              })}
            />
          </div>
        </form>
      </Modal>
    </>
  );
}

function Statement() {
  const names = useNames();
  const { account } = Route.useSearch();
  const statement = useInfiniteQuery(transactionsQuery(account));
  const pages = statement.data?.pages.flatMap((page) => page.data);
  return (
    <Card
      id="statement"
      title={account ? `What changed the account “${account}”` : "Statement"}
      actions={<CopyCurl path={`/v1/credits/transactions${account ? `?account=${account}` : ""}`} />}
    >
      {account && (
        <p className="flex flex-wrap items-center justify-between gap-2 border-b border-line px-4 py-2 text-sm text-soft">
          {statement.data && !statement.hasNextPage && pages
            ? `${counted(pages.length, "entry").replace("entrys", "entries")}, together ${signed(sumOf(pages, account))}`
            : "The newest entries; the sum is told with the oldest."}
          <Link to="/usage/ledger" hash="statement" className="text-accent underline underline-offset-2">
            The whole statement
          </Link>
        </p>
      )}
      <Shown of={{ data: pages, error: statement.error, refetch: statement.refetch }} what="the statement">
        {(transactions) =>
          transactions.length === 0 ? (
            <div className="p-4">
              <Empty title={account ? "Nothing has changed it" : "Nothing was posted yet"}>
                With credits on, each model call stands here: what was held for it, and what it was settled with.
                Without them, every call is under Calls.
              </Empty>
            </div>
          ) : (
            <Table
              name="Statement"
              rows={account ? singly(transactions, account) : fold(transactions)}
              keyOf={(line) => line.id}
              columns={[
                { name: "At", show: (line) => <span className="whitespace-nowrap">{moment(line.at)}</span> },
                {
                  name: "What",
                  show: (line) =>
                    line.run
                      ? runLink(line.run, `run …${line.run.slice(-8)}${line.step ? `, call ${line.step}` : ""}`, line)
                      : line.kind === "call"
                        ? `a call by ${names.key(line.key)}`
                        : `${line.kind}${line.note ? `: ${line.note}` : ""}`,
                },
                {
                  name: "Held",
                  isNumber: true,
                  isExtra: true,
                  show: (line) => (line.kind === "call" && !account ? money(line.held) : ""),
                },
                {
                  name: "Spent",
                  isNumber: true,
                  isExtra: true,
                  show: (line) => (line.kind === "call" && !account ? money(line.spent) : ""),
                },
                {
                  name: account ? `Change of ${account}` : "Balance",
                  isNumber: true,
                  show: (line) => `${line.balance < 0 ? "" : "+"}${signed(line.balance)}`,
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
