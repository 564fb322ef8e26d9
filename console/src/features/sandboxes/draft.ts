import type { NewSandbox } from "./api";

export interface Secret {
  key: number;
  name: string;
  hosts: string;
  value: string;
}

/** What the form holds, as its inputs have it. */
export interface Draft {
  name: string;
  template: string;
  cpus: string;
  memoryMb: string;
  diskMb: string;
  minutes: string;
  onTimeout: "kill" | "pause";
  hosts: string;
  env: string;
  secrets: Secret[];
}

export const BLANK: Draft = {
  name: "",
  template: "",
  cpus: "1",
  memoryMb: "512",
  diskMb: "512",
  minutes: "10",
  onTimeout: "kill",
  hosts: "",
  env: "",
  secrets: [],
};

const MIB = 1024 * 1024;
const words = (text: string) => text.split(/[\s,]+/).filter(Boolean);

/** The body that makes the draft true. Raises what is wrong with a line of the variables. */
export function bodyOf(draft: Draft, snapshot: string | undefined): NewSandbox {
  return {
    name: draft.name.trim(),
    template: draft.template,
    limits: {
      cpus: Number(draft.cpus),
      memory_bytes: Number(draft.memoryMb) * MIB,
      disk_bytes: Number(draft.diskMb) * MIB,
      pids: 128,
    },
    env: variables(draft.env),
    allow_hosts: words(draft.hosts),
    secrets: draft.secrets
      .filter(({ name }) => name.trim())
      .map(({ name, hosts, value }) => ({
        name: name.trim(),
        hosts: words(hosts),
        value,
        header: "Authorization",
        template: "Bearer {value}",
        scheme: "https",
      })),
    lease_seconds: Math.round(Number(draft.minutes) * 60),
    on_timeout: draft.onTimeout,
    snapshot_id: snapshot ?? null,
  };
}

/** `NAME=value` lines. */
export function variables(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (!line.trim()) continue;
    const [, name, value] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (!name) throw new Error(`“${line.trim().slice(0, 60)}” is no variable; write NAME=value.`);
    found[name] = value ?? "";
  }
  return found;
}
