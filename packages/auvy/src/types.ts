/** What the server sends and takes. Times are ISO 8601 in UTC. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
export type Scope = 'core' | 'workspace' | 'brain'
export type NeuronType = 'standard' | 'agentic' | 'completion'
export type TraceType = 'thread' | 'system'
export type JobStatus = 'pending' | 'running' | 'completed' | 'failed' | 'waiting' | 'paused' | 'cancelled'

export interface NeuronConfig {
  neuron_type?: NeuronType
  /** The charter: markdown, or its sections by name. */
  system_prompt?: string | Record<string, string> | null
  model?: string | null
  temperature?: number | null
  max_tokens?: number | null
  /** Documents or knowledge bases that the neuron may search; the whole list. */
  resource_ids?: string[] | null
  /** A folder of the vault that it may search besides, as `/policies/eu`. */
  vault_path?: string | null
  /** Neurons of the same brain that it may delegate to. */
  sub_neuron_ids?: string[] | null
  tools?: string[] | null
}

export interface Neuron {
  id: string
  kind: 'neuron'
  brain_id: string
  workspace_id: string
  /** The slug, unique in the brain. */
  name: string
  slug: string
  display_name: string
  description: string
  scope: Scope
  is_active: boolean
  neuron_config: Required<Omit<NeuronConfig, 'system_prompt'>> & { system_prompt: string }
  charter: { sections: string[]; missing: string[] }
  reflex_ids: string[]
  version: number
  head_version: number
  promoted_from: number | null
  is_redacted: boolean
  created_by: string
  created_at: string
  updated_at: string
}

export interface NeuronInput {
  name: string
  /** Left away, the client's brain. */
  brain_id?: string
  description?: string
  neuron_config?: NeuronConfig
  is_active?: boolean
  scope?: Scope
}

export interface ListQuery {
  search?: string
  limit?: number
  offset?: number
}

export interface NeuronQuery extends ListQuery {
  is_active?: boolean
  sortBy?: 'created_at' | 'updated_at' | 'name'
  sortDirection?: 'asc' | 'desc'
}

export interface VersionRow {
  resource_id: string
  kind: 'neuron'
  version: number
  name: string
  is_head: boolean
  promoted_from: number | null
  created_by: string
  created_at: string
}

export interface InvokeInput {
  message?: string
  data?: Record<string, unknown>
  trace_id?: string
  stream?: boolean
  neuron_task_options?: { trace_type: TraceType } | { traceType: TraceType }
}

export interface StartedJob {
  job_id: string
  status: JobStatus
  user_engram_id: string | null
  trace_id: string
  stream_url: string
}

export interface JobResult {
  message: string
  output: Json
  engram_id: string | null
  citations: Record<string, Json>[]
  usage: { input_tokens: number; output_tokens: number; total_tokens: number }
  cost_usd: number | null
}

export interface Job {
  job_id: string
  status: JobStatus
  progress: number
  current_step: string | null
  failedReason: string | null
  result: JobResult | null
  waitingFor: { kind: string; intervention_ids: string[]; resume_at: string | null } | null
  neuron_id: string | null
  pathway_id: string | null
  trace_id: string | null
  brain_id: string
  created_at: string
  processed_at: string | null
  finished_at: string | null
}

export interface JobPage {
  jobs: Job[]
  total: number
  limit: number
  offset: number
}

export interface JobQuery {
  status?: JobStatus
  neuron_id?: string
  trace_id?: string
  pathway_id?: string
  limit?: number
  offset?: number
}

export interface JobInput {
  message?: string
  action?: 'approve' | 'reject'
  comment?: string
  fields?: Record<string, unknown>
}

/** An event of a job's stream. `cursor`: pass it to `createStream` as `after` to go on behind this event. */
export type JobEvent = { cursor: number } & (
  | { type: 'token'; token: string; step: number }
  | { type: 'content_block'; content_block: { type: string; text?: string; json?: Json }; is_final: boolean }
  | { type: 'reflex_call'; status: string; call_id: string; tool: string; arguments?: Json; result?: string; job_id?: string }
  | { type: 'state_update'; status: string; [key: string]: unknown }
  | { type: 'error'; error: string; code: string }
  | { type: 'complete'; status: 'completed'; result: JobResult }
)

export interface Trace {
  id: string
  brain_id: string
  neuron_id: string | null
  title: string | null
  trace_type: TraceType
  message_count: number
  cost_summary: {
    total_cost_usd: number | null
    total_tokens: number
    input_tokens: number
    output_tokens: number
  }
  created_at: string
  updated_at: string
}

export interface TracePage {
  traces: Trace[]
  total: number
  limit: number
  offset: number
  has_more: boolean
}

export interface TraceQuery extends ListQuery {
  neuron_id?: string
  trace_type?: TraceType
  created_after?: string
  created_before?: string
  sort?: 'created_at' | 'updated_at' | 'title'
  order?: 'asc' | 'desc'
}

export interface Engram {
  id: string
  trace_id: string
  role: string
  content: string
  source_type: 'user' | 'neuron' | 'system'
  source_id: string | null
  target_type: 'user' | 'neuron'
  target_id: string | null
  is_delegated: boolean
  job_id: string | null
  citations: Record<string, Json>[]
  created_at: string
}

export interface EngramPage {
  messages: Engram[]
  total: number
  limit: number
  offset: number
  has_more: boolean
}

export interface Reflex {
  id: string
  brain_id: string
  name: string
  slug: string
  type: 'sensory' | 'effector'
  description: string
  tools: { integration_id: string; tools: string[] }[]
  scope: Scope
  is_active: boolean
  created_at: string
  updated_at: string
}

export interface ReflexInput {
  name: string
  type?: 'sensory' | 'effector'
  description?: string
  tools?: { integration_id: string; tools?: string[] }[]
  scope?: Scope
  is_active?: boolean
}

export interface Receptor {
  id: string
  brain_id: string
  workspace_slug: string
  name: string
  slug: string | null
  description: string
  target_type: 'neuron' | 'pathway'
  neuron_id: string | null
  pathway_id: string | null
  channel: string
  scope: Scope
  cron: string | null
  timezone: string | null
  message: string | null
  input: Json
  trace_type: TraceType
  is_active: boolean
  is_shared: boolean
  hook_path: string | null
  secret: string | null
  next_at: string | null
  last_fired_at: string | null
  created_at: string
  updated_at: string
}

export interface ReceptorInput {
  name: string
  slug?: string
  description?: string
  neuron_id?: string
  pathway_id?: string
  channel?: 'http' | 'cron' | 'webhook' | 'slack' | 'email'
  cron?: string
  timezone?: string
  message?: string
  input?: unknown
  trace_type?: TraceType
  is_active?: boolean
}

export type ReceptorChanges = Partial<
  Pick<ReceptorInput, 'name' | 'slug' | 'description' | 'cron' | 'timezone' | 'message' | 'input' | 'is_active'>
>

export interface FireInput {
  message?: string
  data?: Record<string, unknown>
  payload?: Record<string, unknown>
  neuron_task_options?: InvokeInput['neuron_task_options']
}

export interface FiredJob {
  job_id: string
  status: JobStatus
  receptor_id: string
  trace_id: string | null
  stream_url: string
}

export interface Intervention {
  id: string
  type: 'reflex' | 'pathway'
  status: 'pending' | 'approved' | 'rejected' | 'expired' | 'cancelled'
  title: string
  reason: string
  tool: string
  fields: Json
  edited_fields: Json
  comment: string
  job_id: string
  trace_id: string | null
  neuron_id: string | null
  created_at: string
  expires_at: string | null
}

export interface Pathway {
  id: string
  brain_id: string
  name: string
  slug: string
  description: string
  definition: { steps: Json[]; [key: string]: Json }
  is_active: boolean
  version: number
  created_at: string
  updated_at: string
}

export interface PathwayInput {
  name: string
  slug?: string
  description?: string
  definition: { steps: unknown[]; input_schema?: unknown; output?: unknown }
  is_active?: boolean
}

export interface Brain {
  id: string
  workspace_id: string
  name: string
  slug: string
  is_default: boolean
  created_at: string
}

export interface SearchResult {
  path: string
  kind: string
  id: string
  title: string
  snippet: string
  score: number
}

export interface VaultDocument {
  id: string
  name: string
  title: string
  path: string
  media_type: string
  size_bytes: number
  status: 'processing' | 'ready' | 'failed'
  error: string | null
  created_at: string
  updated_at: string
}

export interface VaultFolder {
  path: string
  folders: { path: string; name: string; documents: number }[]
  documents: VaultDocument[]
  total: number
  limit: number
  offset: number
}
