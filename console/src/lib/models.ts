import { api, data } from "./api";

/** A model as the server lists it: OpenAI's fields, which the document tells of, and ours beside them. */
export interface Model {
  id: string;
  purpose: string;
  is_default: boolean;
  display_name: string;
}

export async function listModels(): Promise<{ data: Model[] }> {
  return (await data(api.GET("/v1/models"))) as unknown as { data: Model[] };
}
