import { Plus, X } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";

export type Header = { key: number; name: string; value: string };

let lastKey = 0;
export const blankHeader = (name = ""): Header => ({ key: ++lastKey, name, value: "" });

/** The headers as they are sent; rows without a name are left out. */
export const headersOf = (rows: Header[]) =>
  Object.fromEntries(rows.filter(({ name }) => name.trim()).map(({ name, value }) => [name.trim(), value]));

interface Props {
  rows: Header[];
  onRows: (rows: Header[]) => void;
}

/** Secrets that go in and never come out: what is kept is encrypted and shown by name only. */
export function HeadersField({ rows, onRows }: Props) {
  const change = (key: number, next: Partial<Header>) =>
    onRows(rows.map((row) => (row.key === key ? { ...row, ...next } : row)));
  return (
    <fieldset className="space-y-2">
      <legend className="text-sm font-medium">Secret headers</legend>
      <p className="text-sm text-soft">Sent with each request, kept encrypted, never shown again.</p>
      {rows.map((row, index) => (
        <div key={row.key} className="flex flex-wrap gap-2 sm:flex-nowrap">
          <Input
            aria-label={`Name of header ${index + 1}`}
            placeholder="Authorization"
            className="basis-full sm:basis-40"
            value={row.name}
            onChange={(event) => change(row.key, { name: event.target.value })}
          />
          <Input
            type="password"
            autoComplete="off"
            aria-label={`Value of header ${index + 1}`}
            placeholder="Bearer …"
            className="min-w-0 flex-2"
            value={row.value}
            onChange={(event) => change(row.key, { value: event.target.value })}
          />
          <Button
            look="quiet"
            size="icon"
            aria-label={`Take header ${index + 1} away`}
            onClick={() => onRows(rows.filter(({ key }) => key !== row.key))}
          >
            <X aria-hidden />
          </Button>
        </div>
      ))}
      <Button size="small" onClick={() => onRows([...rows, blankHeader()])}>
        <Plus aria-hidden /> Add a header
      </Button>
    </fieldset>
  );
}
