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

export interface Service {
  name: string
  status: string
  version: string
  /** As `5d 12h 30m`. */
  uptime: string
}

export interface ServiceStatus extends Service {
  /** What was looked at. */
  checks: unknown
}

export interface User {
  id: string
  email: string
  role: Role
  created_at: string
  updated_at: string
}

export interface CreateUser {
  email: string
  password: string
  role?: Role
}

/** What is left away stays. */
export type UpdateUser = Partial<CreateUser>

export interface Usage {
  /** A month, as `2024-01`. */
  period: string
  usage: { compute_hours: number; storage_gb: number; network_gb: number }
  /** US dollars. */
  cost: { compute: number; storage: number; network: number; total: number }
}

export interface Invoice {
  id: string
  period: string
  /** US dollars. */
  amount: number
  status: string
  due_date: string
}

export interface Webhook {
  id: string
  url: string
  events: EventName[]
  created_at: string
}

export interface CreateWebhook {
  url: string
  events: EventName[]
  /** What `verifySignature` is given. */
  secret?: string
}

export interface Delivery {
  id: string
  event: EventName
  status: string
  attempts: number
  created_at: string
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
