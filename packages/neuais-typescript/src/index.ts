export { Agents, type AgentFilter, type LogOptions } from './agents.js'
export { NeuaisClient } from './client.js'
export {
  AbortedError,
  ApiError,
  ConflictError,
  ConnectionError,
  ForbiddenError,
  InternalServerError,
  InvalidRequestError,
  InvalidSignatureError,
  LiveError,
  NeuaisError,
  NotFoundError,
  RateLimitError,
  ServiceUnavailableError,
  TimeoutError,
  UnauthorizedError,
  UnexpectedAnswerError,
  WaitError,
  type ErrorCode,
} from './errors.js'
export type { FollowOptions } from './follow.js'
export { Live } from './live.js'
export type * from './live-types.js'
export { Page, type IterateOptions, type ListOptions, type OneOptions } from './pages.js'
export { Auth, Billing, Services, Users, Webhooks } from './resources.js'
export { ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, verifySignature, type ReceivedHeaders } from './signature.js'
export type { CallOptions, ClientOptions, WebSocketClass, WebSocketLike } from './transport.js'
export type * from './types.js'
