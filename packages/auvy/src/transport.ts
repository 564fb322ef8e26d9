/** Requests: credentials, the brain, timeouts, errors. */

import { AUVYError } from './errors.js'

export interface AuvyOptions {
  /** The surface's address, such as `http://localhost:8000/auvy`. */
  baseUrl: string
  /** An API key or an access token, or a function that gives one for each request. */
  apiKey: string | (() => string | Promise<string>)
  /** The brain of requests that name none. */
  getBrainId?: () => string | undefined | Promise<string | undefined>
  /** How long a request may take; 60,000 unless given, 0 for as long as it takes. Streams have no such limit. */
  timeoutMs?: number
  /** Instead of the global one. */
  fetch?: typeof fetch
}

export interface CallOptions {
  brainId?: string
  signal?: AbortSignal
  timeoutMs?: number
  /** The same key within 24 hours gives the first answer again. */
  idempotencyKey?: string
}

export interface Request {
  query?: object
  body?: unknown
  headers?: Record<string, string>
}

const USUAL_TIMEOUT_MS = 60_000

export class Transport {
  readonly #options: AuvyOptions
  readonly #base: string
  readonly #fetch: typeof fetch

  constructor(options: AuvyOptions) {
    this.#options = options
    this.#base = options.baseUrl.replace(/\/+$/, '')
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis)
  }

  /** The parsed answer. Raises AUVYError. */
  async json<T>(method: string, path: string, request: Request = {}, options: CallOptions = {}): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? USUAL_TIMEOUT_MS
    const { signal, done } = limited(options.signal, timeoutMs)
    try {
      const response = await this.#send(method, path, request, options, signal)
      const text = await response.text()
      return (text ? JSON.parse(text) : undefined) as T
    } catch (error) {
      throw explained(error, options.signal, signal, timeoutMs)
    } finally {
      done()
    }
  }

  /** An answer whose body is still coming. Raises AUVYError when it is a refusal. */
  async open(path: string, request: Request, options: CallOptions): Promise<Response> {
    try {
      return await this.#send('GET', path, request, options, options.signal)
    } catch (error) {
      throw explained(error, options.signal, undefined, 0)
    }
  }

  async #send(
    method: string,
    path: string,
    request: Request,
    options: CallOptions,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const response = await this.#fetch(this.#base + path + queryOf(request.query), {
      method,
      headers: await this.#headers(request, options),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      ...(signal === undefined ? {} : { signal }),
    })
    if (!response.ok) throw await refusal(response)
    return response
  }

  async #headers(request: Request, options: CallOptions): Promise<Record<string, string>> {
    const { apiKey, getBrainId } = this.#options
    const brainId = options.brainId ?? (await getBrainId?.())
    return {
      Authorization: `Bearer ${typeof apiKey === 'function' ? await apiKey() : apiKey}`,
      Accept: 'application/json',
      ...(request.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(brainId ? { 'X-Brain-Id': brainId } : {}),
      ...(options.idempotencyKey ? { 'Idempotency-Key': options.idempotencyKey } : {}),
      ...request.headers,
    }
  }
}

function queryOf(query: object = {}): string {
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

function explained(
  error: unknown,
  outer: AbortSignal | undefined,
  signal: AbortSignal | undefined,
  timeoutMs: number,
): unknown {
  if (error instanceof AUVYError) return error
  if (outer?.aborted) return new AUVYError('The request was aborted.', 'ABORTED', { cause: error })
  if (signal?.aborted) return new AUVYError(`No answer came within ${timeoutMs} ms.`, 'TIMEOUT', { cause: error })
  const said = error instanceof Error ? error.message : String(error)
  return new AUVYError(`The server gave no answer: ${said}.`, 'NETWORK_ERROR', { cause: error })
}

interface ErrorBody {
  message?: string
  code?: string
  retryAfter?: number
  field?: string
  requestId?: string
}

async function refusal(response: Response): Promise<AUVYError> {
  const body = await errorBody(response)
  const retryAfter = body.retryAfter ?? Number(response.headers.get('retry-after') ?? Number.NaN)
  return new AUVYError(
    body.message ?? `The server answered with status ${response.status}.`,
    body.code ?? 'INTERNAL_SERVER_ERROR',
    {
      status: response.status,
      ...(Number.isFinite(retryAfter) ? { retryAfter } : {}),
      ...(body.field === undefined ? {} : { field: body.field }),
      ...(body.requestId === undefined ? {} : { requestId: body.requestId }),
    },
  )
}

async function errorBody(response: Response): Promise<ErrorBody> {
  try {
    const parsed: unknown = await response.json()
    return typeof parsed === 'object' && parsed !== null ? (parsed as ErrorBody) : {}
  } catch {
    return {} // something between us and the server answered
  }
}
