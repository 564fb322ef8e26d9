import { expect, test, vi } from "vitest";
import { type LinkState, TerminalLink } from "../../src/features/sandboxes/terminal-link";

class FakeSocket {
  readyState = 1;
  binaryType: BinaryType = "blob";
  sent: (string | Uint8Array)[] = [];
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  constructor(readonly url: string) {}
  send(data: string | Uint8Array) {
    this.sent.push(data);
  }
  close() {
    this.readyState = 3;
  }
  said = () => this.sent.filter((each) => typeof each === "string").map((each) => JSON.parse(each as string));
  tell = (frame: object) => this.onmessage?.({ data: JSON.stringify(frame) } as MessageEvent);
  show = (text: string) => this.onmessage?.({ data: new TextEncoder().encode(text).buffer } as MessageEvent);
  lose = (code: number) => this.onclose?.({ code, reason: "" } as CloseEvent);
}

async function linked() {
  const sockets: FakeSocket[] = [];
  const told = { text: "", states: [] as LinkState[], gaps: 0 };
  const link = new TerminalLink(
    "ws://here/socket",
    async () => "key",
    {
      output: (data, done) => {
        told.text += new TextDecoder().decode(data);
        done();
      },
      state: (state) => told.states.push(state),
      gap: () => {
        told.gaps += 1;
      },
    },
    (url) => {
      const made = new FakeSocket(url);
      sockets.push(made);
      return made as never;
    },
  );
  const opened = async (at: number) => {
    const socket = sockets.at(-1) as FakeSocket;
    await socket.onopen?.({} as Event);
    socket.tell({ type: "opened", at });
    return socket;
  };
  link.resize(90, 20);
  link.open();
  return { link, sockets, told, opened };
}

test("a terminal signs in, says its size and types", async () => {
  const { link, told, opened } = await linked();

  link.type("too early");
  const socket = await opened(0);
  link.type("ls\r");

  expect(socket.url).toBe("ws://here/socket?after=0");
  expect(socket.said().map(({ type }) => type)).toEqual(["auth", "seen", "resize"]);
  expect(socket.said()[0].token).toBe("key");
  expect(socket.sent.at(-1)).toEqual(new TextEncoder().encode("ls\r"));
  expect(told.states).toEqual(["open"]);
});

test("a connection that broke goes on from the last byte", async () => {
  vi.useFakeTimers();
  const { sockets, told, opened } = await linked();
  const first = await opened(0);
  first.show("one ");

  first.lose(1006);
  vi.runAllTimers();
  const second = await opened(4);
  second.show("two");
  vi.useRealTimers();

  expect(sockets).toHaveLength(2);
  expect(second.url).toBe("ws://here/socket?after=4");
  expect([told.text, told.gaps]).toEqual(["one two", 0]);
});

test("output that is not kept any more is told", async () => {
  vi.useFakeTimers();
  const { told, opened } = await linked();
  const socket = await opened(0);
  socket.show("one");
  socket.lose(1006);
  vi.runAllTimers();
  await opened(500);
  vi.useRealTimers();

  expect(told.gaps).toBe(1);
});

test("what is drawn is told now and then, and a long paste goes in pieces", async () => {
  const { link, opened } = await linked();
  const socket = await opened(0);
  for (let piece = 0; piece < 5; piece += 1) socket.show("x".repeat(16 * 1024));
  link.type("y".repeat(40_000));

  expect(socket.said().filter(({ type }) => type === "seen")).toEqual([
    { type: "seen", at: 0 },
    { type: "seen", at: 64 * 1024 },
  ]);
  expect(socket.sent.filter((each) => typeof each !== "string").map(({ length }) => length)).toEqual([
    16_384, 16_384, 7232,
  ]);
});

test("an end or a refusal is final", async () => {
  vi.useFakeTimers();
  const ended = await linked();
  const socket = await ended.opened(0);
  socket.tell({ type: "exit", code: 3, signal: null, reason: "" });
  socket.lose(1000);
  const refused = await linked();
  (await refused.opened(0)).lose(4404);
  vi.runAllTimers();
  vi.useRealTimers();

  expect(ended.sockets).toHaveLength(1);
  expect(ended.told.states.at(-1)).toBe("ended");
  expect(refused.sockets).toHaveLength(1);
  expect(refused.told.states.at(-1)).toBe("refused");
});

test("a token that has run out is replaced once; a refused replacement is not tried again", async () => {
  vi.useFakeTimers();
  const sockets: FakeSocket[] = [];
  const refused: string[] = [];
  const states: LinkState[] = [];
  const link = new TerminalLink(
    "ws://here/socket",
    async (old) => {
      refused.push(old);
      return `token ${refused.length}`;
    },
    { output: () => {}, state: (state) => states.push(state), gap: () => {} },
    (url) => {
      const made = new FakeSocket(url);
      sockets.push(made);
      return made as never;
    },
  );
  const lose = async () => {
    await sockets.at(-1)?.onopen?.({} as Event);
    sockets.at(-1)?.lose(4401);
    await vi.runAllTimersAsync();
  };

  link.open();
  await lose();
  await lose();

  expect(refused).toEqual(["", "token 1"]);
  expect(states.at(-1)).toBe("refused");
  expect(sockets).toHaveLength(2);
  vi.useRealTimers();
});
