import type { Schema } from "@/lib/api";
import type { Deployment } from "./api";

/** A deployment's form: text as it is typed, checked by the server. */
export interface Draft {
  name: string;
  runtime: string;
  binary_url: string;
  sha256: string;
  replicas: string;
  cpu: string;
  memory: string;
  region: string;
  command: string;
  port: string;
  health_path: string;
  environment: string;
}

export const RUNTIMES = ["python", "node", "native", "go", "rust"];

export const EMPTY: Draft = {
  name: "",
  runtime: "python",
  binary_url: "",
  sha256: "",
  replicas: "1",
  cpu: "1.0",
  memory: "512Mi",
  region: "",
  command: "",
  port: "8080",
  health_path: "",
  environment: "",
};

/** What a deployment is now. Variables are never shown, so that field begins empty and leaves them as they are. */
export const draftOf = (found: Deployment): Draft => ({
  name: found.name,
  runtime: found.runtime,
  binary_url: found.binary_url,
  sha256: found.sha256 ?? "",
  replicas: String(found.replicas),
  cpu: found.cpu,
  memory: found.memory,
  region: found.region,
  command: found.command.join("\n"),
  port: String(found.port),
  health_path: found.health_path,
  environment: "",
});

const lines = (text: string) => text.split("\n").filter((line) => line.trim());

/** NAME=value, one a line. Throws what is wrong with it. */
export function variablesOf(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of lines(text)) {
    const [, name, value] = /^\s*([^=\s]+)=(.*)$/s.exec(line) ?? [];
    if (!name) throw new Error(`“${line.slice(0, 60)}” is not NAME=value.`);
    found[name] = value ?? "";
  }
  return found;
}

export function bodyOf(draft: Draft): Schema["DeploymentBody"] {
  return {
    name: draft.name.trim(),
    runtime: draft.runtime,
    binary_url: draft.binary_url.trim(),
    sha256: draft.sha256.trim() || null,
    replicas: Number(draft.replicas),
    cpu: draft.cpu.trim(),
    memory: draft.memory.trim(),
    region: draft.region.trim(),
    command: lines(draft.command),
    port: Number(draft.port),
    health_path: draft.health_path.trim() || null,
    environment: variablesOf(draft.environment),
  };
}

/** Only what differs from what is: what is not sent stays. */
export function changesOf(draft: Draft, before: Deployment): Schema["DeploymentPatch"] {
  const whole = bodyOf(draft);
  const was = bodyOf(draftOf(before));
  const changes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(whole)) {
    if (name === "name" || name === "environment") continue;
    if (JSON.stringify(value) !== JSON.stringify(was[name as keyof typeof was]) && value !== null)
      changes[name] = value;
  }
  if (draft.environment.trim()) changes.environment = whole.environment;
  return changes as Schema["DeploymentPatch"];
}
