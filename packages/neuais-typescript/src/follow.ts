/** An event stream that outlives its connections. */

import { AbortedError, ConnectionError, NeuaisError, NotFoundError, UnauthorizedError } from './errors.js'
import { pause, pauseBefore, reasonOf, type Call, type Transport } from './transport.js'
import type { Level, LogLine } from './types.js'

export interface FollowOptions {
  /** How many lines that are there already come first; 100 unless given. */
  tail?: number
  /** As `1h`, `30m`, `15s`, or a time. */
  since?: string
  /** Only lines of this level and above. */
  level?: Level
  /** The `id` of a line to go on behind; there is no tail then. */
  after?: number
  signal?: AbortSignal
  /** A connection over which nothing came for so long, not even a heartbeat, is taken for broken; 45,000 unless given. */
  idleTimeoutMs?: number
}

interface Event {
  id: string
  data: string
}

const MOST_FAILURES = 10
/** A connection that lasted so long was one, even if nothing came over it but heartbeats. */
const LONG_MS = 10_000

/** Throws NeuaisError when the server refuses, or has not been reached ten times in a row. */
export async function* followLines(
  transport: Transport,
  path: string,
  options: FollowOptions,
): AsyncGenerator<LogLine, void, undefined> {
  const { tail, since, level } = options
  const call: Call = { method: 'GET', path, query: { follow: true, tail, since, level } }
  let lastId = options.after ?? (await startOf(transport, path, options))
  let failures = 0
  let wasOpen = false
  for (;;) {
    const began = Date.now()
    let failed: unknown
    try {
      for await (const event of events(transport, call, lastId, options, () => (wasOpen = true))) {
        failures = 0
        if (event.id !== '') lastId = Number(event.id)
        if (event.data !== '') yield { id: lastId ?? 0, ...(JSON.parse(event.data) as Omit<LogLine, 'id'>) }
      }
    } catch (error) {
      if (error instanceof NotFoundError && wasOpen) return // it was deleted while it was followed
      failed = error
    }
    failures = Date.now() - began > LONG_MS ? 1 : failures + 1
    await pause(await waitAfter(transport, failed, failures), options.signal)
  }
}

/** Where to go on if the connection breaks before the first line, when no tail is wanted. */
async function startOf(transport: Transport, path: string, options: FollowOptions): Promise<number | undefined> {
  if (options.tail !== 0) return undefined
  const call = options.signal === undefined ? {} : { signal: options.signal }
  const { logs } = await transport.json<{ logs: LogLine[] }>({ method: 'GET', path, query: { tail: 1 } }, call)
  return logs[0]?.id ?? 0
}

/** Milliseconds until the next connection. Throws what happened when another would not help. */
async function waitAfter(transport: Transport, failed: unknown, failures: number): Promise<number> {
  if (failed instanceof UnauthorizedError && failures === 1 && (await transport.credentials.renewed())) return 0
  const reason = failed ?? new ConnectionError('The stream ended.')
  const wait = pauseBefore(failures, reason)
  if (wait === undefined || (failed !== undefined && failures > MOST_FAILURES)) throw reason
  return wait
}

/** Those of one connection. */
async function* events(
  transport: Transport,
  call: Call,
  lastId: number | undefined,
  options: FollowOptions,
  opened: () => void,
): AsyncGenerator<Event, void, undefined> {
  const watch = new Watch(options)
  try {
    const headers = { Accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'Last-Event-ID': String(lastId) }) }
    const response = await transport.open(call, headers, watch.signal)
    opened()
    if (response.body === null) return
    const reader = response.body.getReader()
    try {
      const parser = new Parser()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        watch.seen()
        yield* parser.read(value)
      }
    } finally {
      await reader.cancel().catch(() => undefined) // it may be broken already
    }
  } catch (error) {
    throw watch.explained(error)
  } finally {
    watch.end()
  }
}

/** Ends a connection that has fallen silent, or that nobody wants any more. */
class Watch {
  readonly #controller = new AbortController()
  readonly #idleMs: number
  readonly #outer: AbortSignal | undefined
  readonly #abort = (): void => this.#controller.abort()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: FollowOptions) {
    this.#idleMs = options.idleTimeoutMs ?? 45_000
    this.#outer = options.signal
    if (this.#outer?.aborted) this.#abort()
    this.#outer?.addEventListener('abort', this.#abort, { once: true })
    this.seen()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  seen(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#abort, this.#idleMs)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#outer?.removeEventListener('abort', this.#abort)
  }

  explained(error: unknown): unknown {
    if (error instanceof NeuaisError) return error
    if (this.#outer?.aborted) return new AbortedError('The stream was aborted.', { cause: error })
    if (this.signal.aborted) return new ConnectionError('The stream fell silent.', { cause: error })
    return new ConnectionError(`The stream broke off: ${reasonOf(error)}.`, { cause: error })
  }
}

/** Of the event-stream format, what is needed: ids and data. An event that breaks off in the middle is none. */
export class Parser {
  readonly #decoder = new TextDecoder()
  #rest = ''
  #id = ''
  #data: string[] = []
  #isNew = false

  #take(line: string): void {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'id') this.#id = value
    else if (name === 'data') this.#data.push(value)
    else return
    this.#isNew = true
  }

  *read(bytes: Uint8Array): Generator<Event, void, undefined> {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line !== '') this.#take(line)
      else if (this.#isNew) yield this.#event()
    }
  }

  #event(): Event {
    const event = { id: this.#id, data: this.#data.join('\n') }
    this.#data = []
    this.#isNew = false
    return event
  }
}
