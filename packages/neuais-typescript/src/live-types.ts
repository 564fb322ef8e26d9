/** What a live connection tells of. */

import type { Agent, Level, LogLine, Metric } from './types.js'

export type Channel = 'status' | 'logs' | 'metrics'

export interface SubscribeOptions {
  /** An id; left away, or `*`: all that there are and will be. */
  agent?: string
  /** Of logs: this level and above. */
  level?: Level
  /** Of logs of one agent: how many that are there already come first. */
  tail?: number
  /** Of logs of one agent: as `1h`. */
  since?: string
  /** Of logs of one agent: the `id` of a line to go on behind. */
  after?: number
  /** Of metrics: only this one. */
  metric?: Metric
}

interface About {
  /** What `subscribe` gave. */
  subscription: string
  channel: Channel
  /** An id, or `*`. */
  agent: string
}

/** An agent as it is now. */
export interface StatusEvent extends About {
  type: 'status'
  timestamp: string
  data: Agent | { id: string; name: string; status: 'deleted' }
}

export interface LogEvent extends About {
  type: 'logs'
  /** For `after`. */
  id: number
  data: Omit<LogLine, 'id'>
}

export type Figures = Partial<Record<Metric, number>>

export interface MetricsEvent extends About {
  type: 'metrics'
  data: { timestamp: string; metrics: Figures; replicas: { replica: string; metrics: Figures }[] }
}

/** So many lines were left out, because they came faster than they were read. */
export interface DroppedEvent extends About {
  type: 'dropped'
  timestamp: string
  count: number
}

/** Nothing more comes of this subscription. */
export interface EndedEvent extends About {
  type: 'ended'
  reason: string
}

export type LiveEvent = StatusEvent | LogEvent | MetricsEvent | DroppedEvent | EndedEvent
