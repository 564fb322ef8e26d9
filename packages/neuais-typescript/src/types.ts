/** What the server tells of, with the names that the wire has. Fields that these types do not know are there as well. */

export type Runtime = 'rust' | 'go' | 'native' | 'python' | 'node'
export type AgentStatus = 'deploying' | 'running' | 'stopped' | 'error'
export type Level = 'debug' | 'info' | 'warn' | 'error'
export type Period = '1h' | '24h' | '7d'
export type Metric = 'cpu' | 'memory' | 'network'
export type Role = 'owner' | 'admin' | 'developer' | 'viewer'
export type EventName =
  | 'agent.created'
  | 'agent.updated'
  | 'agent.deleted'
  | 'agent.started'
  | 'agent.stopped'
  | 'agent.error'

export interface Token {
  access_token: string
  token_type: string
  /** Seconds. */
  expires_in: number
}

export interface AgentConfig {
  /** Decimal cores. */
  cpu?: string
  /** With Ki, Mi or Gi. */
  memory?: string
  replicas?: number
  region?: string
  /** Arguments; for an archive the first is its entry point. */
  command?: string[]
  /** What the program gets as PORT. */
  port?: number
  health_path?: string
  /** Kept and given back, without effect. */
  [other: string]: unknown
}

/** A deployed program. */
export interface Agent {
  id: string
  name: string
  status: AgentStatus
  /** Why it is not as it was wanted; empty when all is well. */
  reason: string
  replicas: number
  /** How many get requests. */
  ready_replicas: number
  region: string
  runtime: Runtime
  binary_url: string
  sha256: string | null
  /** sha256 of what was downloaded. */
  digest: string | null
  /** Counts the changes of the program. */
  version: number
  config: AgentConfig
  /** The values are never shown. */
  environment_names: string[]
  /** Where it answers. */
  endpoints: string[]
  created_at: string
  updated_at: string
}

export interface CreateAgent {
  name: string
  runtime: Runtime
  /** http(s), or `storage://<pathname>`. */
  binary_url: string
  /** What the download must be. */
  sha256?: string
  config?: AgentConfig
  environment?: Record<string, string>
}

/** What is left away stays. */
export type UpdateAgent = Partial<CreateAgent>

export interface LogLine {
  /** Its place, for `after`. */
  id: number
  timestamp: string
  level: Level
  message: string
  /** Which of the copies wrote it. */
  replica: string
}

export interface Point {
  timestamp: string
  value: number
}

/** cpu: percent of a core. memory: MiB. network: bytes a second. */
export type Series = Partial<Record<Metric, Point[]>>

export interface Metrics {
  period: Period
  /** All replicas together. */
  metrics: Series
  replicas: { replica: string; metrics: Series }[]
}

export type Health = 'healthy' | 'degraded' | 'down'

export interface Service {
  name: string
  status: Health
  version: string
  /** As `5d 12h 30m`. */
  uptime: string
}

/** One thing that was tried. */
export interface ServiceCheck {
  name: string
  status: Health
  latency_ms: number
  /** Empty when there is nothing to say. */
  message: string
}

export interface ServiceStatus extends Service {
  uptime_seconds: number
  /** All checks together. */
  latency_ms: number
  checked_at: string
  checks: ServiceCheck[]
}

export interface User {
  id: string
  email: string
  name: string
  role: Role
  status: 'active' | 'inactive'
  created_at: string
  updated_at: string
}

export interface CreateUser {
  email: string
  password: string
  role?: Role
  name?: string
}

/** What is left away stays. A new password ends all sign-ins. */
export interface UpdateUser extends Partial<CreateUser> {
  /** Checked when given. */
  current_password?: string
}

export interface Usage {
  /** A month, as `2024-01`. */
  period: string
  /** compute_hours: of one core. memory_gb_hours: of one GiB. storage_gb: kept for the whole month. */
  usage: { compute_hours: number; memory_gb_hours: number; storage_gb: number; network_gb: number }
  /** US dollars. compute: cores and memory. */
  cost: { compute: number; storage: number; network: number; total: number }
}

export interface Invoice {
  id: string
  period: string
  /** US dollars. */
  amount: number
  currency: string
  status: 'open' | 'overdue' | 'paid'
  due_date: string
  issued_at: string
  paid_at: string | null
}

export interface InvoiceLine {
  kind: 'compute' | 'memory' | 'storage' | 'network'
  /** Null for stored objects. */
  agent_id: string | null
  name: string
  quantity: number
  unit: string
  /** US dollars. */
  amount: number
}

export interface InvoiceWithLines extends Invoice {
  lines: InvoiceLine[]
}

/** The secret is never shown. */
export interface Webhook {
  id: string
  url: string
  events: EventName[]
  status: 'active' | 'disabled'
  /** Why it is disabled; empty while it is active. */
  reason: string
  has_secret: boolean
  created_at: string
  updated_at: string
}

export interface CreateWebhook {
  url: string
  events: EventName[]
  /** What `verifySignature` is given. */
  secret?: string
}

export interface Delivery {
  id: string
  webhook_id: string
  event: EventName
  /** `pending` while it is tried again. */
  status: 'pending' | 'delivered' | 'failed'
  attempts: number
  /** Of the newest attempt; null when there was no answer, which `error` explains. */
  response_status: number | null
  error: string | null
  created_at: string
  delivered_at: string | null
  next_attempt_at: string | null
}

export interface Attempt {
  number: number
  at: string
  latency_ms: number
  status: number | null
  /** The beginning of the answer. */
  response: string | null
  error: string | null
}

export interface DeliveryWithAttempts extends Delivery {
  /** What the receiver gets; null once its event is gone. */
  payload: WebhookEvent | null
  log: Attempt[]
}

/** What a receiver of webhooks gets. */
export interface WebhookEvent {
  event: EventName
  timestamp: string
  data: { agent_id: string; name: string; [other: string]: unknown }
}

export interface Message {
  message: string
}
