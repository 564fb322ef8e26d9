import { expect, test } from "vitest";
import { Renewal, type Tokens } from "../../src/lib/renewal";

/** A server that gives new tokens once for each, and ends the sign-in when one comes twice. */
class Server {
  used = new Set<string>();
  isEnded = false;
  number = 0;

  async refresh(token: string): Promise<Tokens | null> {
    await new Promise((done) => setTimeout(done, 20));
    if (this.used.has(token)) this.isEnded = true;
    if (this.isEnded) return null;
    this.used.add(token);
    this.number += 1;
    return { kind: "tokens", access: `a${this.number}`, refresh: `r${this.number}`, expiresAt: 1 };
  }
}

function tab(server: Server, name: string, locks?: LockManager) {
  const channel = new BroadcastChannel(name);
  const state: { tokens: Tokens | null } = { tokens: { kind: "tokens", access: "a0", refresh: "r0", expiresAt: 0 } };
  const renewal = new Renewal({
    current: () => state.tokens,
    keep: (next) => {
      state.tokens = next;
    },
    ask: async (token) => {
      const found = await server.refresh(token);
      if (!found) state.tokens = null;
      return found;
    },
    channel,
    locks,
  });
  return { state, renew: () => renewal.renew(state.tokens?.refresh ?? ""), close: () => channel.close() };
}

/** One lock, as the browser has it for all tabs of an origin. */
function oneLock(): LockManager {
  let last: Promise<unknown> = Promise.resolve();
  const request = (_: string, work: () => Promise<unknown>) => {
    last = last.then(work);
    return last;
  };
  return { request } as unknown as LockManager;
}

test.each([
  ["with locks", oneLock],
  ["without locks", () => undefined],
])("two tabs that renew at once use the token once, %s", async (name, lock) => {
  const server = new Server();
  const locks = lock();
  const tabs = [tab(server, name, locks), tab(server, name, locks)];

  await Promise.all(tabs.map(({ renew }) => renew()));
  await new Promise((done) => setTimeout(done, 50));

  expect(server.isEnded).toBe(false);
  expect(server.number).toBe(1);
  expect(tabs.map(({ state }) => state.tokens?.access)).toEqual(["a1", "a1"]);
  for (const { close } of tabs) close();
});

test("a tab that heard nothing is told what came of its token, however often it was renewed", async () => {
  const server = new Server();
  const first = tab(server, "sleeping");
  await first.renew();
  await first.renew();
  const second = tab(server, "sleeping");

  await second.renew();

  expect(server.isEnded).toBe(false);
  expect(second.state.tokens?.refresh).toBe("r2");
  first.close();
  second.close();
});

test("a tab of another sign-in hears nothing of it", async () => {
  const server = new Server();
  const [mine, other] = [tab(server, "others"), tab(server, "others")];
  other.state.tokens = { kind: "tokens", access: "x", refresh: "elsewhere", expiresAt: 0 };

  await mine.renew();
  await new Promise((done) => setTimeout(done, 30));

  expect(other.state.tokens.refresh).toBe("elsewhere");
  mine.close();
  other.close();
});
