import createClient from "openapi-fetch";
import { refusalFor } from "./refusal";
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
const LONGEST_RENEWAL_MS = 30_000;
let refreshing: Promise<void> | null = null;

const unreachable = () => new ApiError("The server cannot be reached. Is it running?", 0, "offline");

/** New tokens, or null when the server refused and the sign-in is over. Throws what only hindered it this time. */
async function refreshed(token: string): Promise<Tokens | null> {
  const response = await fetch(`${serverUrl()}/v1/auth/refresh`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ refresh_token: token }),
    signal: AbortSignal.timeout(LONGEST_RENEWAL_MS),
  }).catch(() => {
    throw unreachable();
  });
  if (response.status === 401 || response.status === 403) {
    const found = credentials();
    if (found?.kind === "tokens" && found.refresh === token) keepCredentials(null);
    return null;
  }
  if (!response.ok) throw await errorOf(response);
  return tokensOf(await response.json());
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
  role: tokens.user.is_owner ? "owner" : tokens.user.role,
});

export function keepTokens(tokens: Schema["TokensOut"]) {
  keepCredentials(tokensOf(tokens));
}

/** Renews the tokens once, however many ask for it at the same time. */
function renewed(token: string): Promise<void> {
  refreshing ??= renewal.renew(token).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

/** The header that signs a request, after renewing an access token that is about to end. */
export async function authorization(): Promise<Record<string, string>> {
  let found = credentials();
  if (found?.kind === "tokens" && found.expiresAt - Date.now() < SOON_MS) {
    const { expiresAt } = found;
    await renewed(found.refresh).catch((error) => {
      if (expiresAt < Date.now()) throw error; // until then the old one still opens
    });
    found = credentials();
  }
  if (!found) return {};
  return { Authorization: `Bearer ${found.kind === "key" ? found.key : found.access}` };
}

/** Whether there is another credential now, in place of the one in this header that was refused. An access token is
 *  renewed; a key is not, and the refusal signs out. Throws what hinders renewing, which signs nobody out. */
export async function anotherFor(refused: string | undefined): Promise<boolean> {
  const found = credentials();
  if (!found || !refused) return false;
  const isCurrent = refused === `Bearer ${found.kind === "key" ? found.key : found.access}`;
  if (isCurrent && found.kind === "key") keepCredentials(null);
  else if (isCurrent && found.kind === "tokens") await renewed(found.refresh);
  return credentials() !== null;
}

/** As `fetch`, signed. A token that is refused, because a machine slept or its clock is wrong, is renewed and the
 *  request repeated. */
export async function signedFetch(input: Request | string, init?: RequestInit): Promise<Response> {
  const signed = await authorization();
  // The request itself is kept: what was sent once cannot be sent again.
  const asked = new Request(input, init);
  const response = await sent(asked.clone(), signed);
  if (response.status !== 401 || !(await anotherFor(signed.Authorization))) return response;
  await response.body?.cancel();
  return sent(asked, await authorization());
}

async function sent(made: Request, headers: Record<string, string>): Promise<Response> {
  // A deletion that waited to be taken back is asked for while the page goes away, and must outlive it.
  const request = made.method === "DELETE" ? new Request(made, { keepalive: true }) : made;
  for (const [name, value] of Object.entries(headers)) request.headers.set(name, value);
  try {
    return await fetch(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw unreachable();
  }
}

export async function errorOf(response: Response): Promise<ApiError> {
  return errorFrom(await response.json().catch(() => null), response.status);
}

interface Told {
  error?: { message?: string; code: string; request_id?: string; field?: string };
}

/** What an error's body says, in words for whoever is signed in. */
export function errorFrom(body: Told | null, status: number): ApiError {
  const told = body?.error;
  if (typeof told?.message !== "string") return new ApiError(`The server answered ${status}.`, status, "unknown");
  const found = credentials();
  const message = status === 403 && found?.kind === "tokens" ? refusalFor(found.role, told.message) : told.message;
  return new ApiError(message, status, told.code, told.request_id, told.field);
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
