import { api, data } from "./api";

export const listModels = () => data(api.GET("/v1/models"));

export type Model = Awaited<ReturnType<typeof listModels>>["data"][number];
