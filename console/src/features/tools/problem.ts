import { ApiError } from "@/lib/api";

/** What the server said about one field, for the place where the field is. */
export const problemOf = (error: Error | null) => (field: string) =>
  error instanceof ApiError && error.field.split(".")[0] === field ? error.message : null;
