import { Plus } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";

/** A tool by its name, such as one of a connection of which the agent shall not have all. */
export function NamedTool({ onName }: { onName: (name: string) => void }) {
  const [name, setName] = useState("");
  const add = () => {
    if (name.trim()) onName(name.trim());
    setName("");
  };
  return (
    <div className="flex gap-2 px-1.5">
      <Input
        aria-label="Another tool, by its name"
        placeholder="Another tool, by its name: tickets__create"
        value={name}
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault(); // the form is not sent yet
          add();
        }}
      />
      <Button disabled={!name.trim()} onClick={add}>
        <Plus aria-hidden /> Add
      </Button>
    </div>
  );
}
