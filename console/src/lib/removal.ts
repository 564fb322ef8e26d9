import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { later } from "./undo";

/** Deletes a thing in six seconds, unless the person takes it back; then everything below the query's key is read anew. */
export function useRemoval(queryKey: QueryKey) {
  const queries = useQueryClient();
  return (id: string, text: string, perform: () => Promise<unknown>) =>
    later({ key: id, text, perform, onSettled: () => queries.invalidateQueries({ queryKey }) });
}
