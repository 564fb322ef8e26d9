/** What goes wrong, by kind. All of it is a NeuaisError. */

import type { Agent } from './types.js'

/** Whatever this library raises. */
export class NeuaisError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
  }
}

/** The server gave no answer, also after trying again. */
export class ConnectionError extends NeuaisError {}

/** No answer came in time. */
export class TimeoutError extends ConnectionError {}

/** The caller's signal fired. */
export class AbortedError extends NeuaisError {}

/** Something answered that does not speak this API; is `baseUrl` right? */
export class UnexpectedAnswerError extends NeuaisError {}

/** A webhook's delivery that does not come from whom it says, or is too old. */
export class InvalidSignatureError extends NeuaisError {}

/** What was waited for did not come. */
export class WaitError extends NeuaisError {
  constructor(
    message: string,
    /** As it was seen last, with its `status` and `reason`. */
    readonly agent: Agent,
  ) {
    super(message)
  }
}

/** The live connection was refused, or the server refused a subscription. */
export class LiveError extends NeuaisError {
  constructor(
    message: string,
    /** The server's word for it, such as `not_found`. */
    readonly code: string = '',
  ) {
    super(message)
  }
}

export type ErrorCode =
  | 'invalid_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'rate_limit_exceeded'
  | 'internal_error'
  | 'service_unavailable'
  | (string & {})

export interface ErrorFacts {
  code: ErrorCode
  status: number
  details?: Record<string, unknown>
  requestId?: string | undefined
  retryAfter?: number | undefined
}

/** The server refused a request. */
export class ApiError extends NeuaisError {
  readonly code: ErrorCode
  readonly status: number
  readonly details: Record<string, unknown>
  /** What the server's operator can look it up by. */
  readonly requestId: string | undefined
  /** Seconds after which it may be sent again. */
  readonly retryAfter: number | undefined

  constructor(message: string, facts: ErrorFacts) {
    super(message)
    this.code = facts.code
    this.status = facts.status
    this.details = facts.details ?? {}
    this.requestId = facts.requestId
    this.retryAfter = facts.retryAfter
  }

  /** The field of the request at fault, where the server says so. */
  get field(): string | undefined {
    return text(this.details['field'])
  }

  /** What is wrong with the field. */
  get reason(): string | undefined {
    return text(this.details['reason'])
  }
}

/** 400: a field or parameter is not what it may be; `field` and `reason` say which and why. */
export class InvalidRequestError extends ApiError {}

/** 401: the token, or the email and password, are not accepted. */
export class UnauthorizedError extends ApiError {}

/** 403: the caller may not do this. */
export class ForbiddenError extends ApiError {}

/** 404: there is no such thing, or it is another workspace's. */
export class NotFoundError extends ApiError {}

/** 409: it does not go with what is there, as a second agent of one name. */
export class ConflictError extends ApiError {}

/** 429: more requests than the plan allows; `retryAfter` says when to go on. */
export class RateLimitError extends ApiError {}

/** 500: the server's fault. */
export class InternalServerError extends ApiError {}

/** 502, 503 or 504: the server cannot answer at the moment. */
export class ServiceUnavailableError extends ApiError {}

const BY_CODE: Record<string, typeof ApiError> = {
  invalid_request: InvalidRequestError,
  unauthorized: UnauthorizedError,
  forbidden: ForbiddenError,
  not_found: NotFoundError,
  conflict: ConflictError,
  rate_limit_exceeded: RateLimitError,
  internal_error: InternalServerError,
  service_unavailable: ServiceUnavailableError,
}

const CODE_OF_STATUS: Record<number, string> = {
  400: 'invalid_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  422: 'invalid_request',
  429: 'rate_limit_exceeded',
  502: 'service_unavailable',
  503: 'service_unavailable',
  504: 'service_unavailable',
}

/** The error of an answer. body: what came, parsed; anything else than the API's own shape is borne. */
export function errorOf(status: number, body: unknown, headers: Headers): ApiError {
  const said = record(record(body)['error'])
  const usual = CODE_OF_STATUS[status] ?? (status >= 500 ? 'internal_error' : 'invalid_request')
  const code = text(said['code']) ?? usual
  const Kind = BY_CODE[code] ?? BY_CODE[usual] ?? ApiError
  return new Kind(text(said['message']) ?? `The server answered with status ${status}.`, {
    code,
    status,
    details: record(said['details']),
    requestId: headers.get('x-request-id') ?? text(said['request_id']),
    retryAfter: retryAfterOf(headers.get('retry-after')),
  })
}

/** Seconds, of a number or a date. */
function retryAfterOf(header: string | null): number | undefined {
  if (header === null || header.trim() === '') return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(seconds, 0)
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max((at - Date.now()) / 1000, 0)
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
