// A duplicated tab has the same refresh token, which works once: whoever uses it second would end the sign-in for both.
// So tabs of one sign-in renew their tokens one after the other, ask each other first, and tell each other the outcome.
export interface Tokens {
  kind: "tokens";
  access: string;
  refresh: string;
  expiresAt: number;
  /** Refresh tokens of this sign-in that were used up, by which a tab that slept can be told what came of its own. */
  past?: string[];
  /** "owner", or the role of whoever signed in. */
  role?: string;
}

type Said =
  | { say: "want"; token: string; by: string }
  | { say: "wait"; token: string }
  | { say: "got"; token: string; next: Tokens };

interface Means {
  current: () => Tokens | null;
  keep: (next: Tokens) => void;
  /** Asks the server; null when it refused and the sign-in is over. What it throws, whoever asked gets. */
  ask: (token: string) => Promise<Tokens | null>;
  channel: Pick<BroadcastChannel, "postMessage" | "addEventListener"> | null;
  /** Absent where the page is served without TLS from elsewhere. */
  locks?: LockManager;
}

const ANSWER_MS = 150;
const LONGEST_MS = 10_000;
const MOST_PAST = 50;

export class Renewal {
  private readonly name = Math.random().toString(36).slice(2);
  private wanted: string | null = null;
  private readonly waiting = new Set<(said: Said) => void>();

  constructor(private readonly means: Means) {
    means.channel?.addEventListener("message", (event) => this.hear((event as MessageEvent<Said>).data));
  }

  /** New tokens for those that end, from another tab that has them or from the server. */
  async renew(token: string): Promise<void> {
    const { locks } = this.means;
    if (locks) await locks.request("glia.renewal", () => this.once(token));
    else await this.once(token);
  }

  private async once(token: string): Promise<void> {
    if (this.means.current()?.refresh !== token) return; // told meanwhile, or signed out
    this.wanted = token;
    try {
      if (await this.told(token)) return;
      const next = await this.means.ask(token);
      if (!next || this.means.current()?.refresh !== token) return; // refused, or signed out meanwhile
      const past = [...(this.means.current()?.past ?? []), token].slice(-MOST_PAST);
      const whole = { ...next, past };
      this.means.keep(whole);
      this.means.channel?.postMessage({ say: "got", token, next: whole } satisfies Said);
    } finally {
      this.wanted = null;
    }
  }

  /** Whether another tab told what came of the token. */
  private told(token: string): Promise<boolean> {
    const { channel } = this.means;
    if (!channel) return Promise.resolve(false);
    return new Promise((done) => {
      let timer = setTimeout(() => finish(false), ANSWER_MS);
      const finish = (isTold: boolean) => {
        clearTimeout(timer);
        this.waiting.delete(listen);
        done(isTold);
      };
      const listen = (said: Said) => {
        if (said.token !== token) return;
        if (said.say === "got") finish(true);
        else if (said.say === "wait") {
          clearTimeout(timer);
          timer = setTimeout(() => finish(false), LONGEST_MS);
        }
      };
      this.waiting.add(listen);
      channel.postMessage({ say: "want", token, by: this.name } satisfies Said);
    });
  }

  private hear(said: Said) {
    const mine = this.means.current();
    if (said.say === "got" && mine?.refresh === said.token) this.means.keep(said.next);
    if (said.say === "want" && mine) {
      if (mine.past?.includes(said.token)) {
        this.means.channel?.postMessage({ say: "got", token: said.token, next: mine } satisfies Said);
      } else if (this.wanted === said.token && this.name < said.by) {
        this.means.channel?.postMessage({ say: "wait", token: said.token } satisfies Said);
      }
    }
    for (const listen of [...this.waiting]) listen(said);
  }
}
