/** What happens, as it happens, over a WebSocket. */

import { ApiError, ConnectionError, errorOf, LiveError, UnauthorizedError } from './errors.js'
import type { Channel, LiveEvent, SubscribeOptions } from './live-types.js'
import { pathOf, pause, pauseBefore, type Transport, type WebSocketClass, type WebSocketLike } from './transport.js'
import type { LogLine } from './types.js'

type Frame = Record<string, unknown> & { type: string }

interface Waiting<T> {
  resolve: (value: T) => void
  reject: (error: unknown) => void
}

const EVERY_AGENT = '*'
const MOST_FAILURES = 10
const MOST_UNREAD = 100_000
const SILENCE_MS = 45_000
const EVENTS = new Set(['status', 'logs', 'metrics', 'dropped', 'ended'])
/** How the server closes on someone who may not be there, and the status that this is. */
const ENDED_FOR_GOOD: Record<number, number> = { 4401: 401, 4403: 403 }

/**
 * One connection: open it, subscribe, iterate.
 *
 * A connection that breaks is made again, with all its subscriptions; lines of one agent go on behind the last one.
 */
export class Live implements AsyncIterable<LiveEvent> {
  readonly #transport: Transport
  readonly #wanted = new Map<string, Record<string, unknown>>()
  readonly #confirmed = new Set<string>()
  readonly #names = new Map<string, string>()
  readonly #asked = new Map<string, Waiting<void>>()
  #unread: LiveEvent[] = []
  #reader: Waiting<void> | undefined
  #socket: WebSocketLike | undefined
  #silence: ReturnType<typeof setTimeout> | undefined
  #silent: () => void = () => undefined
  #token = ''
  #made = 0
  #isClosed = false
  #failure: unknown

  private constructor(transport: Transport) {
    this.#transport = transport
  }

  /** Throws NeuaisError when the server refuses, or is not reached. */
  static async open(transport: Transport): Promise<Live> {
    const live = new Live(transport)
    await live.#connect()
    return live
  }

  /** A name for it, which its events have. Throws LiveError when the server refuses it. */
  async subscribe(channel: Channel, options: SubscribeOptions = {}): Promise<string> {
    const wanted = { channel, agent: EVERY_AGENT, ...options }
    if (channel === 'logs' && wanted.agent !== EVERY_AGENT && !wanted.tail && !wanted.since && wanted.after === undefined) {
      wanted.after = await this.#lastLine(wanted.agent)
    }
    const name = this.#newName()
    this.#wanted.set(name, wanted)
    try {
      await this.#ask(name, { type: 'subscribe', ...wanted })
    } catch (error) {
      this.#wanted.delete(name)
      throw error
    }
    return name
  }

  /** subscription: what `subscribe` gave. */
  async unsubscribe(subscription: string): Promise<void> {
    this.#wanted.delete(subscription)
    this.#confirmed.delete(subscription)
    for (const [theirs, ours] of this.#names) {
      if (ours === subscription) await this.#ask(this.#newName(), { type: 'unsubscribe', subscription: theirs })
    }
    this.#reader?.resolve()
  }

  close(): void {
    this.#end(undefined)
  }

  /** Until no subscription is left, or it is closed. Throws NeuaisError when the server refuses, or is not reached. */
  async *[Symbol.asyncIterator](): AsyncGenerator<LiveEvent, void, undefined> {
    for (;;) {
      const events = this.#unread
      this.#unread = []
      yield* events
      if (this.#unread.length > 0) continue
      if (this.#failure !== undefined) throw this.#failure
      if (this.#isClosed || this.#wanted.size === 0) return
      await new Promise<void>((resolve, reject) => {
        this.#reader = { resolve, reject }
      })
      this.#reader = undefined
    }
  }

  /** Where to go on if the connection breaks before the first line. */
  async #lastLine(agent: string): Promise<number> {
    const path = pathOf('agents', agent, 'logs')
    const { logs } = await this.#transport.json<{ logs: LogLine[] }>({ method: 'GET', path, query: { tail: 1 } })
    return logs[0]?.id ?? 0
  }

  #newName(): string {
    this.#made += 1
    return String(this.#made)
  }

  async #ask(id: string, said: Record<string, unknown>): Promise<void> {
    if (this.#isClosed) throw this.#failure ?? new LiveError('The connection is closed.')
    const answered = new Promise<void>((resolve, reject) => this.#asked.set(id, { resolve, reject }))
    this.#say({ ...said, id })
    await answered
  }

  /** While there is no connection it is not said: the next one begins with all that is wanted. */
  #say(said: Record<string, unknown>): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(said))
  }

  #heard(frame: Frame): void {
    const id = typeof frame['id'] === 'string' ? frame['id'] : undefined
    if (frame.type === 'heartbeat') void this.#staySignedIn().catch((error: unknown) => this.#end(error))
    if (frame.type === 'subscribed' && id !== undefined) {
      this.#names.set(String(frame['subscription']), id)
      this.#confirmed.add(id)
    }
    if (frame.type === 'error' && id !== undefined && this.#confirmed.has(id)) {
      // It was there before the connection broke.
      const { agent, channel } = this.#wanted.get(id) ?? {}
      this.#confirmed.delete(id)
      this.#tell({ type: 'ended', subscription: id, agent, channel, reason: messageOf(frame) })
    }
    const asked = id === undefined ? undefined : this.#asked.get(id)
    if (id !== undefined && asked !== undefined) {
      this.#asked.delete(id)
      if (frame.type === 'error') asked.reject(new LiveError(messageOf(frame), String(said(frame)['code'] ?? '')))
      else asked.resolve()
    }
    const name = this.#names.get(String(frame['subscription']))
    if (name !== undefined && EVENTS.has(frame.type)) this.#tell({ ...frame, subscription: name })
  }

  #tell(frame: Frame): void {
    const name = String(frame['subscription'])
    const wanted = this.#wanted.get(name)
    if (frame.type === 'logs' && wanted !== undefined && wanted['agent'] !== EVERY_AGENT) {
      this.#wanted.set(name, { ...wanted, tail: 0, since: undefined, after: frame['id'] })
    }
    if (frame.type === 'ended') this.#wanted.delete(name)
    this.#unread.push(frame as unknown as LiveEvent)
    if (this.#unread.length > MOST_UNREAD) this.#end(new LiveError(`${MOST_UNREAD} events were not read.`))
    this.#reader?.resolve()
  }

  async #staySignedIn(): Promise<void> {
    const token = await this.#transport.credentials.token()
    if (token === this.#token) return
    this.#token = token
    this.#say({ type: 'auth', token })
  }

  async #connect(): Promise<void> {
    for (let failures = 1; ; failures += 1) {
      let wait: number | undefined
      try {
        return await this.#opened()
      } catch (error) {
        const renewed = error instanceof UnauthorizedError && failures === 1 && (await this.#transport.credentials.renewed())
        wait = renewed ? 0 : pauseBefore(failures, error)
        if (wait === undefined || failures > MOST_FAILURES || this.#isClosed) throw error
      }
      await pause(wait)
    }
  }

  async #opened(): Promise<void> {
    const Socket: WebSocketClass | undefined = this.#transport.options.WebSocket ?? globalThis.WebSocket
    if (Socket === undefined) {
      throw new LiveError('There is no WebSocket here: use Node 22 or newer, or give one to the client.')
    }
    this.#token = await this.#transport.credentials.token()
    const socket = new Socket(`${this.#transport.base.replace(/^http/, 'ws')}/ws`)
    this.#names.clear()
    let refusal: ApiError | undefined
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify({ type: 'auth', token: this.#token }))
      socket.onmessage = ({ data }: { data: string }) => {
        this.#watch(socket)
        const frame = JSON.parse(data) as Frame
        if (frame.type === 'error' && frame['id'] == null) refusal = errorOf(statusOf(frame), frame, new Headers())
        if (frame.type === 'authenticated' && this.#socket !== socket) {
          this.#socket = socket
          for (const [id, wanted] of this.#wanted) this.#say({ type: 'subscribe', id, ...wanted })
          this.#forgetUnsubscriptions()
          resolve()
        } else this.#heard(frame)
      }
      const ended = (code: number, reason: string): void => {
        clearTimeout(this.#silence)
        socket.onclose = socket.onerror = socket.onmessage = null
        const status = ENDED_FOR_GOOD[code]
        const body = refusal === undefined ? undefined : { error: { ...refusal, message: refusal.message } }
        const error =
          status === undefined
            ? (refusal ?? new ConnectionError(`The connection broke off: ${reason || code}.`))
            : errorOf(status, body ?? { error: { message: reason } }, new Headers())
        if (this.#socket === socket) void this.#again(error)
        else reject(error)
      }
      socket.onclose = ({ code, reason }: { code: number; reason: string }) => ended(code, reason)
      // Some tell of a handshake that failed by this alone. After an open socket's error comes its end.
      socket.onerror = () => this.#socket === socket || ended(1006, 'it was not opened')
      this.#silent = () => ended(1006, 'it fell silent')
      this.#watch(socket)
    })
  }

  /** Of the connection before: the new one has only what is wanted. */
  #forgetUnsubscriptions(): void {
    for (const [id, asked] of this.#asked) {
      if (this.#wanted.has(id)) continue
      this.#asked.delete(id)
      asked.resolve()
    }
  }

  async #again(error: unknown): Promise<void> {
    if (this.#isClosed) return
    this.#socket = undefined
    try {
      const refused = error instanceof ApiError && (error.status === 401 || error.status === 403)
      if (refused && !(error.status === 401 && (await this.#transport.credentials.renewed()))) throw error
      await this.#connect()
    } catch (failed) {
      this.#end(failed)
    }
  }

  /** A connection over which nothing came for long, not even a heartbeat, is taken for broken. */
  #watch(socket: WebSocketLike): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => {
      socket.close()
      this.#silent() // the socket may never tell
    }, SILENCE_MS)
  }

  #end(failure: unknown): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#failure = failure
    clearTimeout(this.#silence)
    this.#socket?.close()
    this.#socket = undefined
    for (const asked of this.#asked.values()) asked.reject(failure ?? new LiveError('The connection was closed.'))
    this.#asked.clear()
    this.#reader?.resolve()
  }
}

function said(frame: Frame): Record<string, unknown> {
  const error = frame['error']
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {}
}

function messageOf(frame: Frame): string {
  return String(said(frame)['message'] ?? 'The server refused.')
}

function statusOf(frame: Frame): number {
  const statuses: Record<string, number> = { unauthorized: 401, forbidden: 403, rate_limit_exceeded: 429 }
  return statuses[String(said(frame)['code'])] ?? 503
}
