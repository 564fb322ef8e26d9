import createClient from "openapi-fetch";
import { Renewal, type Tokens } from "./renewal";
import type { components, paths } from "./schema.gen";
import { credentials, keepCredentials, renewCredentials } from "./session";

export type Schema = components["schemas"];

/** What a GET of the path answers with. A schema's own name may change when another one of that name comes. */
export type Answer<Path extends keyof paths> = paths[Path]["get"] extends {
  responses: { 200: { content: { "application/json": infer Body } } };
}
  ? Body
  : never;

/** The server's own words about what went wrong. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly requestId = "",
    readonly field = "",
  ) {
    super(message);
  }
}

/** Where the server is: beside the page, under whatever path both are mounted. */
export const serverUrl = () => new URL(".", document.baseURI).href.replace(/\/$/, "");

const SOON_MS = 30_000;
let refreshing: Promise<void> | null = null;

async function refreshed(token: string): Promise<Tokens | null> {
  const response = await fetch(`${serverUrl()}/v1/auth/refresh`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ refresh_token: token }),
  });
  if (response.status === 400 || response.status === 401) keepCredentials(null);
  return response.ok ? tokensOf(await response.json()) : null;
}

const renewal = new Renewal({
  current: () => {
    const found = credentials();
    return found?.kind === "tokens" ? found : null;
  },
  keep: renewCredentials,
  ask: refreshed,
  channel: typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("glia.renewal"),
  locks: navigator.locks,
});

const tokensOf = (tokens: Schema["TokensOut"]): Tokens => ({
  kind: "tokens",
  access: tokens.access_token,
  refresh: tokens.refresh_token,
  expiresAt: Date.now() + tokens.expires_in * 1000,
});

export function keepTokens(tokens: Schema["TokensOut"]) {
  keepCredentials(tokensOf(tokens));
}

/** The header that signs a request, after renewing an access token that is about to end. */
export async function authorization(): Promise<Record<string, string>> {
  let found = credentials();
  if (found?.kind === "tokens" && found.expiresAt - Date.now() < SOON_MS) {
    refreshing ??= renewal.renew(found.refresh).finally(() => {
      refreshing = null;
    });
    await refreshing;
    found = credentials();
  }
  if (!found) return {};
  return { Authorization: `Bearer ${found.kind === "key" ? found.key : found.access}` };
}

/** As `fetch`, signed; a refusal of the credential signs out. */
export async function signedFetch(input: Request | string, init?: RequestInit): Promise<Response> {
  const made = new Request(input, init);
  // A deletion that waited to be taken back is asked for while the page goes away, and must outlive it.
  const request = made.method === "DELETE" ? new Request(made, { keepalive: true }) : made;
  for (const [name, value] of Object.entries(await authorization())) request.headers.set(name, value);
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new ApiError("The server cannot be reached. Is it running?", 0, "offline");
  }
  if (response.status === 401) keepCredentials(null);
  return response;
}

export async function errorOf(response: Response): Promise<ApiError> {
  const body = await response.json().catch(() => null);
  const told = body?.error;
  if (typeof told?.message !== "string") {
    return new ApiError(`The server answered ${response.status}.`, response.status, "unknown");
  }
  return new ApiError(told.message, response.status, told.code, told.request_id, told.field);
}

export const api = createClient<paths>({ baseUrl: serverUrl(), fetch: signedFetch });
api.use({
  onResponse: async ({ response }) => {
    if (!response.ok) throw await errorOf(response);
  },
});

/** What the call answered. Errors have been thrown before. */
export async function data<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}
