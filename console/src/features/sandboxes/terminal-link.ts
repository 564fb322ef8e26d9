/** What is between the screen and a terminal: "open" when keys arrive there. */
export type LinkState = "connecting" | "open" | "ended" | "refused";

export interface Listener {
  /** done: to be called once the bytes are drawn; the server waits for that when a program says too much. */
  output(data: Uint8Array, done: () => void): void;
  /** note: a sentence, when there is one to say. */
  state(state: LinkState, note: string): void;
  /** Output was lost, so what is drawn may be wrong until the program draws anew. */
  gap(): void;
}

type Socket = Pick<WebSocket, "send" | "close" | "readyState"> & {
  binaryType: BinaryType;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
};

const LARGEST_INPUT = 16 * 1024;
const TOLD_EVERY = 64 * 1024;
const LONGEST_WAIT_MS = 8000;
const OPEN = 1;
const REFUSED = [4403, 4404, 1009];

/**
 * One terminal over a WebSocket. A connection that breaks is made again from the byte that came last, so that nothing
 * is shown twice and nothing is missing.
 */
export class TerminalLink {
  #socket: Socket | null = null;
  #state: LinkState = "connecting";
  #at = 0;
  #drawn = 0;
  #told = 0;
  #tries = 0;
  #given = "";
  #refused = "";
  #size: [number, number] | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  readonly #encoder = new TextEncoder();

  constructor(
    private readonly address: string,
    /** refused: the token that was not taken, so that another one comes. */
    private readonly token: (refused: string) => Promise<string>,
    private readonly listener: Listener,
    private readonly make: (url: string) => Socket = (url) => new WebSocket(url),
  ) {}

  open() {
    const socket = this.make(`${this.address}?after=${this.#at}`);
    socket.binaryType = "arraybuffer";
    socket.onopen = async () => {
      const token = await this.token(this.#refused).catch(() => null);
      if (this.#socket !== socket) return;
      if (token === null) return socket.close(); // it could not be renewed just now; the next try may
      this.#given = token;
      this.#say({ type: "auth", token });
    };
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#hear(data);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.#socket === socket) this.#lost(code, reason);
    };
    this.#socket = socket;
  }

  type(text: string) {
    if (this.#state !== "open") return;
    const bytes = this.#encoder.encode(text);
    for (let start = 0; start < bytes.length; start += LARGEST_INPUT) {
      this.#send(bytes.subarray(start, start + LARGEST_INPUT));
    }
  }

  resize(columns: number, rows: number) {
    this.#size = [columns, rows];
    if (this.#state === "open") this.#say({ type: "resize", columns, rows });
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#socket = null;
  }

  #hear(data: unknown) {
    if (typeof data !== "string") return this.#draw(new Uint8Array(data as ArrayBuffer));
    const said = JSON.parse(data);
    if (said.type === "opened") {
      if (said.at > this.#at && this.#at) this.listener.gap();
      this.#at = this.#drawn = this.#told = said.at;
      this.#tries = 0;
      this.#refused = "";
      this.#become("open", "");
      this.#say({ type: "seen", at: this.#at });
      if (this.#size) this.resize(...this.#size);
    } else if (said.type === "dropped") {
      this.#at += said.bytes;
      this.listener.gap();
    } else if (said.type === "exit") {
      const how = said.signal ? `ended by signal ${said.signal}` : said.code ? `ended with ${said.code}` : said.reason;
      this.#become("ended", how);
    } else if (said.type === "error") {
      this.#become(this.#state, said.error.message);
    }
  }

  #draw(bytes: Uint8Array) {
    this.#at += bytes.length;
    this.listener.output(bytes, () => {
      this.#drawn += bytes.length;
      if (this.#drawn - this.#told < TOLD_EVERY) return;
      this.#told = this.#drawn;
      this.#say({ type: "seen", at: this.#drawn });
    });
  }

  #lost(code: number, reason: string) {
    this.#socket = null;
    if (this.#isClosed || this.#state === "ended") return;
    // A credential that has run out is renewed by asking for the next one; one that was never good stays so.
    const isRefused = REFUSED.includes(code) || (code === 4401 && this.#refused !== "");
    this.#refused = code === 4401 ? this.#given : "";
    if (isRefused) return this.#become("refused", reason || "The server refused the connection.");
    this.#tries += 1;
    this.#become("connecting", this.#tries > 1 ? "The connection broke; it is being made again." : "");
    const wait = Math.min(LONGEST_WAIT_MS, 250 * 2 ** (this.#tries - 1));
    this.#timer = setTimeout(() => this.open(), wait);
  }

  #become(state: LinkState, note: string) {
    this.#state = state;
    this.listener.state(state, note);
  }

  #say(frame: object) {
    this.#send(JSON.stringify(frame));
  }

  #send(data: string | Uint8Array<ArrayBuffer>) {
    if (this.#socket?.readyState === OPEN) this.#socket.send(data);
  }
}
