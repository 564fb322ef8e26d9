import { afterEach, beforeEach, expect, test, vi } from "vitest";

const HERE = "http://glia.test";
const HOUR_MS = 3_600_000;

/** A server that takes one access token, and gives the next one for the refresh token that belongs to it. */
class Server {
  number = 0;
  /** Statuses of renewals to come, before they work again; 0: no answer. */
  hindrances: number[] = [];
  renewals = 0;
  bodies: string[] = [];

  readonly answer = async (input: Request | string | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    await new Promise((done) => setTimeout(done, 5));
    if (request.url.endsWith("/v1/auth/refresh")) return this.renew(await request.json());
    this.bodies.push(await request.text());
    if (request.headers.get("Authorization") === `Bearer a${this.number}`) return Response.json({ data: [] });
    const status = request.headers.get("Authorization") === "Bearer limited" ? 403 : 401;
    return problem(status, "This key lacks the scope `budgets:write`; use a key that has it.");
  };

  private renew({ refresh_token }: { refresh_token: string }): Response {
    this.renewals += 1;
    const hindrance = this.hindrances.shift();
    if (hindrance === 0) throw new TypeError("fetch failed");
    if (hindrance) return problem(hindrance, "Not now.");
    if (refresh_token !== `r${this.number}`) return problem(401, "The refresh token is not valid.");
    this.number += 1;
    const user = { role: "user", is_owner: false };
    return Response.json({
      access_token: `a${this.number}`,
      refresh_token: `r${this.number}`,
      expires_in: 900,
      token_type: "Bearer",
      user,
    });
  }
}

const problem = (status: number, message: string) =>
  Response.json({ error: { code: "refused", message, request_id: "" } }, { status });

let server: Server;

beforeEach(() => {
  server = new Server();
  const kept = new Map<string, string>();
  vi.resetModules();
  vi.stubGlobal("document", { baseURI: `${HERE}/` });
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("BroadcastChannel", undefined);
  vi.stubGlobal("sessionStorage", {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
    removeItem: (name: string) => kept.delete(name),
  });
  vi.stubGlobal("fetch", (input: Request | string, init?: RequestInit) => server.answer(input, init));
});

afterEach(() => vi.unstubAllGlobals());

/** The console's own client, signed in with tokens that the server has forgotten or will. */
async function signedIn(access: string, expiresInMs = HOUR_MS) {
  const session = await import("../../src/lib/session");
  const api = await import("../../src/lib/api");
  session.keepCredentials({ kind: "tokens", access, refresh: "r0", expiresAt: Date.now() + expiresInMs, role: "user" });
  return { ...api, ...session, ask: () => api.signedFetch(`${HERE}/v1/agents`) };
}

test("an access token that is refused is renewed, and the request sent again with its body", async () => {
  const { api, data, credentials } = await signedIn("of yesterday");

  await data(api.POST("/v1/sessions", { body: { agent_id: "clerk" } }));

  expect(server.renewals).toBe(1);
  expect(server.bodies).toEqual([server.bodies[0], server.bodies[0]]);
  expect(JSON.parse(server.bodies[1] ?? "")).toEqual({ agent_id: "clerk" });
  expect(credentials()).toMatchObject({ access: "a1", refresh: "r1" });
});

test("requests that are refused at the same time share one renewal", async () => {
  const { ask } = await signedIn("of yesterday");

  const answers = await Promise.all([ask(), ask(), ask(), ask()]);

  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect(server.renewals).toBe(1);
});

test.each([401, 403])("a renewal that is refused with %i signs out", async (status) => {
  server.hindrances = [status];
  const { ask, credentials } = await signedIn("of yesterday");

  const answer = await ask();

  expect(answer.status).toBe(401);
  expect(credentials()).toBeNull();
});

test.each([0, 429, 503])(
  "a renewal that is only hindered (%i) signs nobody out, and the next one works",
  async (status) => {
    server.hindrances = [status];
    const { ask, credentials } = await signedIn("of yesterday");

    await expect(ask()).rejects.toMatchObject({ status });
    expect(credentials()).toMatchObject({ refresh: "r0" });

    expect((await ask()).status).toBe(200);
  },
);

test("a token that is about to end still opens while renewing is hindered", async () => {
  server.hindrances = [503];
  const { ask } = await signedIn("a0", 20_000);

  expect((await ask()).status).toBe(200);
});

test("whoever signs out while tokens are renewed stays signed out", async () => {
  const { ask, credentials, keepCredentials } = await signedIn("of yesterday", -1);

  const asking = ask();
  keepCredentials(null);
  await asking;

  expect(server.renewals).toBe(1);
  expect(credentials()).toBeNull();
});

test("a key that is refused signs out, and nothing is renewed", async () => {
  const { ask, credentials, keepCredentials } = await signedIn("a0");
  keepCredentials({ kind: "key", key: "revoked" });

  expect((await ask()).status).toBe(401);

  expect(credentials()).toBeNull();
  expect(server.renewals).toBe(0);
});

test("a stream of events goes on with the new token", async () => {
  const { credentials } = await signedIn("of yesterday");
  const { followPath } = await import("../../src/lib/sse");
  let stop = () => {};

  const state = await new Promise((done) => {
    stop = followPath("/v1/stream", {
      after: 0,
      onItems: () => {},
      onConnection: (now) => now === "open" && done(now),
      onRefused: done,
    });
  });
  stop();

  expect(state).toBe("open");
  expect(credentials()).toMatchObject({ access: "a1" });
});

test("what is not allowed is said by role to a person, and by scope to a key", async () => {
  const { api, data, keepCredentials } = await signedIn("limited");
  const words = () => data(api.GET("/v1/budgets")).catch((error: Error) => error.message);

  expect(await words()).toBe("Your role (user) may not change budgets; ask an owner of the workspace.");

  keepCredentials({ kind: "key", key: "limited" });
  expect(await words()).toMatch("This key lacks the scope");
});
