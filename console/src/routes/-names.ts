import { useQuery } from "@tanstack/react-query";
import { agentsQuery } from "@/features/agents/api";
import { keysQuery } from "@/features/settings/api";

/** What agents and keys are called, as far as whoever looks may know. */
export function useNames() {
  const agents = useQuery(agentsQuery);
  const keys = useQuery(keysQuery);
  const agentNames = new Map(agents.data?.data.map(({ id, name }) => [id, name]));
  const keyNames = new Map(keys.data?.data.map(({ id, name, prefix }) => [id, name || prefix]));
  return {
    agent: (id: string | null | undefined) => (id ? (agentNames.get(id) ?? `agent ${id.slice(-6)}`) : "no agent"),
    key: (id: string | null | undefined) =>
      id ? (keyNames.get(id) ?? `key ${id.slice(-6)}`) : "signed in, or by itself",
    agents: agents.data?.data ?? [],
    keys: keys.data?.data ?? [],
  };
}
