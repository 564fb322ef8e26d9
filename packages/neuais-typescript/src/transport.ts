/** Sends requests, tries again, keeps the token fresh. */

import { Credentials, type Login } from './credentials.js'
import { AbortedError, ApiError, ConnectionError, errorOf, NeuaisError, TimeoutError, UnauthorizedError, UnexpectedAnswerError } from './errors.js'

export interface ClientOptions {
  /** The API's address, with or without `/v1`; NEUAIS_BASE_URL unless given, else http://localhost:8000/v1. */
  baseUrl?: string
  /** An access token or an API key; NEUAIS_TOKEN unless given. */
  token?: string
  /** With `password`, instead of a token; the token is then renewed before it expires. */
  email?: string
  password?: string
  /** How long a try may take; 30,000 unless given, 0 for as long as it takes. Streams have no such limit. */
  timeoutMs?: number
  /** How often a request is tried again that met a passing fault; 3 unless given. */
  maxRetries?: number
  /** Sent with every request. */
  headers?: Record<string, string>
  /** Instead of the global one. */
  fetch?: typeof fetch
  /** Instead of the global one, which Node has from version 22 on. */
  WebSocket?: WebSocketClass
}

/** As much of a WebSocket as is used. Not the global type, which programs have only with the types of browsers. */
export interface WebSocketLike {
  readonly readyState: number
  onopen: ((event: any) => void) | null
  onmessage: ((event: any) => void) | null
  onerror: ((event: any) => void) | null
  onclose: ((event: any) => void) | null
  send(data: string): void
  close(): void
}

export type WebSocketClass = new (url: string) => WebSocketLike

export interface CallOptions {
  signal?: AbortSignal
  timeoutMs?: number
  maxRetries?: number
  /** For a POST: the same key within 24 hours gives the first answer again. One is made for each call without. */
  idempotencyKey?: string
}

export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  query?: Record<string, unknown>
  body?: unknown
  /** Needs no token. */
  isOpen?: boolean
}

const USUAL_BASE_URL = 'http://localhost:8000/v1'
const USUAL_TIMEOUT_MS = 30_000
const USUAL_RETRIES = 3
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 8_000
/** A server that wants a longer pause is not waited for; the error says how long. */
const LONGEST_RETRY_AFTER_SECONDS = 60

export class Transport {
  readonly base: string
  readonly options: ClientOptions
  readonly credentials: Credentials
  readonly #fetch: typeof fetch

  constructor(options: ClientOptions) {
    this.options = options
    this.base = baseUrlOf(options.baseUrl)
    this.credentials = new Credentials(this, options)
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis)
  }

  /** The parsed answer. Throws NeuaisError. */
  async json<T>(call: Call, options: CallOptions = {}): Promise<T> {
    const key = call.method === 'POST' && !call.isOpen ? (options.idempotencyKey ?? newKey()) : undefined
    const retries = options.maxRetries ?? this.options.maxRetries ?? USUAL_RETRIES
    for (let attempt = 1; ; attempt += 1) {
      let pauseMs: number | undefined
      try {
        return await this.#once<T>(call, key, options)
      } catch (error) {
        pauseMs = pauseBefore(attempt, error)
        if (pauseMs === undefined || attempt > retries) throw error
      }
      await pause(pauseMs, options.signal)
    }
  }

  /** An answer whose body is still coming. Throws NeuaisError. */
  async open(call: Call, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const token = await this.credentials.token()
    const response = await this.#fetch(this.base + call.path + queryOf(call.query), {
      headers: { ...this.#headers(call, token, undefined), ...headers },
      signal,
    })
    if (!response.ok) throw errorOf(response.status, parsed(await response.text()), response.headers)
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      await response.body?.cancel()
      throw new UnexpectedAnswerError(`${this.base}${call.path} answered with something else than an event stream.`)
    }
    return response
  }

  async signIn(login: Login, options: CallOptions = {}): Promise<unknown> {
    const body = { email: login.email, password: login.password }
    return this.json({ method: 'POST', path: '/auth/token', body, isOpen: true }, options)
  }

  async #once<T>(call: Call, key: string | undefined, options: CallOptions): Promise<T> {
    if (call.isOpen) return this.#sent<T>(call, undefined, key, options)
    const token = await this.credentials.token()
    try {
      return await this.#sent<T>(call, token, key, options)
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || !this.credentials.renews) throw error
    }
    return this.#sent<T>(call, await this.credentials.token(token), key, options)
  }

  async #sent<T>(call: Call, token: string | undefined, key: string | undefined, options: CallOptions): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.options.timeoutMs ?? USUAL_TIMEOUT_MS
    const limit = limited(options.signal, timeoutMs)
    try {
      const response = await this.#fetch(this.base + call.path + queryOf(call.query), {
        method: call.method,
        headers: this.#headers(call, token, key),
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        signal: limit.signal,
      })
      const text = await response.text()
      if (!response.ok) throw errorOf(response.status, parsed(text), response.headers)
      return (text ? answer(text, this.base + call.path) : undefined) as T
    } catch (error) {
      if (error instanceof NeuaisError) throw error
      if (options.signal?.aborted) throw new AbortedError('The request was aborted.', { cause: error })
      if (limit.signal.aborted) throw new TimeoutError(`No answer came within ${timeoutMs} ms.`, { cause: error })
      throw new ConnectionError(`${this.base} gave no answer: ${reasonOf(error)}.`, { cause: error })
    } finally {
      limit.done()
    }
  }

  #headers(call: Call, token: string | undefined, key: string | undefined): Record<string, string> {
    return {
      ...this.options.headers,
      Accept: 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(call.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(key === undefined ? {} : { 'Idempotency-Key': key }),
    }
  }
}

/** Milliseconds to wait before another try; undefined when it would not help. attempt: how many have failed, from 1. */
export function pauseBefore(attempt: number, error: unknown): number | undefined {
  if (!isPassing(error)) return undefined
  const wanted = error instanceof ApiError ? error.retryAfter : undefined
  if (wanted === undefined) {
    return Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2)
  }
  if (wanted > LONGEST_RETRY_AFTER_SECONDS) return undefined
  // A little later than asked for, so that those who were sent away together do not come back together.
  return wanted * 1000 + Math.random() * 250
}

function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionError) return true
  if (!(error instanceof ApiError)) return false
  // 409 with Retry-After: the first request with this Idempotency-Key is still being answered.
  return [429, 502, 503, 504].includes(error.status) || (error.status === 409 && error.retryAfter !== undefined)
}

/** Throws AbortedError when the signal fires first. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const aborted = (): void => {
      clearTimeout(timer)
      reject(new AbortedError('The request was aborted.'))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', aborted)
      resolve()
    }, milliseconds)
    if (signal?.aborted) aborted()
    signal?.addEventListener('abort', aborted, { once: true })
  })
}

/** Throws TypeError for an empty part, which would name another thing. */
export function pathOf(...parts: string[]): string {
  if (parts.includes('')) throw new TypeError(`An id is empty in ${parts.join('/')}.`)
  return parts.map((part) => `/${encodeURIComponent(part)}`).join('')
}

/** Of a variable of the process, where there is one. */
export function environment(name: string): string | undefined {
  const found = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.[name]
  return found === '' ? undefined : found
}

function baseUrlOf(given: string | undefined): string {
  const url = (given || environment('NEUAIS_BASE_URL') || USUAL_BASE_URL).replace(/\/+$/, '')
  if (!/^https?:\/\//.test(url)) throw new TypeError(`baseUrl ${url} must begin with http:// or https://.`)
  return url.endsWith('/v1') ? url : `${url}/v1`
}

export function queryOf(query: Record<string, unknown> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null)
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text ? `?${text}` : ''
}

/** A signal that fires with the caller's, or after a time. `done` lets go of both. */
function limited(outer: AbortSignal | undefined, timeoutMs: number): { signal: AbortSignal; done: () => void } {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  if (outer?.aborted) abort()
  outer?.addEventListener('abort', abort, { once: true })
  const timer = timeoutMs > 0 ? setTimeout(abort, timeoutMs) : undefined
  const done = (): void => {
    clearTimeout(timer)
    outer?.removeEventListener('abort', abort)
  }
  return { signal: controller.signal, done }
}

function newKey(): string {
  // `randomUUID` is missing on pages that came over plain HTTP.
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

function answer(text: string, url: string): unknown {
  const found = parsed(text)
  if (found === undefined) throw new UnexpectedAnswerError(`${url} answered with something else than JSON.`)
  return found
}

/** Undefined for what is no JSON: something between us and the server answered. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
