/** Agents: programs that are deployed and kept running. */

import { WaitError } from './errors.js'
import { followLines, type FollowOptions } from './follow.js'
import { everyOf, oneOf, pageOf, type IterateOptions, type ListOptions, type OneOptions, type Page } from './pages.js'
import { pathOf, pause, type CallOptions, type Transport } from './transport.js'
import type { Agent, AgentStatus, CreateAgent, Level, LogLine, Message, Metric, Metrics, Period, UpdateAgent } from './types.js'

export interface AgentFilter {
  status?: AgentStatus
  region?: string
}

export interface LogOptions extends CallOptions {
  /** How many lines, the last ones; 100 unless given. */
  tail?: number
  /** As `1h`, `30m`, `15s`, or a time. */
  since?: string
  /** Only lines of this level and above. */
  level?: Level
}

const FIRST_LOOK_MS = 100
const LONGEST_LOOK_MS = 2_000

export class Agents {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /** One page. */
  list<K extends keyof Agent = keyof Agent>(options: ListOptions<K> & AgentFilter = {}): Promise<Page<Pick<Agent, K>>> {
    return pageOf(this.#transport, '/agents', 'agents', options)
  }

  /** All of them; a page is fetched when it is needed. */
  iterate<K extends keyof Agent = keyof Agent>(
    options: IterateOptions<K> & AgentFilter = {},
  ): AsyncGenerator<Pick<Agent, K>, void, undefined> {
    return everyOf(this.#transport, '/agents', 'agents', options)
  }

  get<K extends keyof Agent = keyof Agent>(id: string, options: OneOptions<K> = {}): Promise<Pick<Agent, K>> {
    return oneOf(this.#transport, pathOf('agents', id), options)
  }

  /** Deploys a program; `waitUntilRunning` waits for it. */
  create(agent: CreateAgent, options: CallOptions = {}): Promise<Agent> {
    return this.#transport.json({ method: 'POST', path: '/agents', body: agent }, options)
  }

  /** Changes what is given. Replicas are replaced one by one; old ones serve until the new ones are healthy. */
  update(id: string, changes: UpdateAgent, options: CallOptions = {}): Promise<Agent> {
    return this.#transport.json({ method: 'PUT', path: pathOf('agents', id), body: changes }, options)
  }

  delete(id: string, options: CallOptions = {}): Promise<Message> {
    return this.#transport.json({ method: 'DELETE', path: pathOf('agents', id) }, options)
  }

  start(id: string, options: CallOptions = {}): Promise<Agent> {
    return this.#act(id, 'start', undefined, options)
  }

  /** Its programs get SIGTERM, and SIGKILL after 10 s. */
  stop(id: string, options: CallOptions = {}): Promise<Agent> {
    return this.#act(id, 'stop', undefined, options)
  }

  /** Replaces every replica. */
  restart(id: string, options: CallOptions = {}): Promise<Agent> {
    return this.#act(id, 'restart', undefined, options)
  }

  scale(id: string, replicas: number, options: CallOptions = {}): Promise<Agent> {
    return this.#act(id, 'scale', { replicas }, options)
  }

  #act(id: string, act: string, body: unknown, options: CallOptions): Promise<Agent> {
    return this.#transport.json({ method: 'POST', path: pathOf('agents', id, act), body }, options)
  }

  /**
   * Looks again and again until it runs, for 120 s unless `waitMs` says otherwise. Throws WaitError when it is in
   * `error` or `stopped`, or time is up.
   */
  async waitUntilRunning(id: string, options: CallOptions & { waitMs?: number } = {}): Promise<Agent> {
    const { waitMs = 120_000, ...call } = options
    const deadline = Date.now() + waitMs
    for (let look = FIRST_LOOK_MS; ; look = Math.min(look * 1.5, LONGEST_LOOK_MS)) {
      const agent = await this.get(id, call)
      if (agent.status === 'running') return agent
      if (agent.status === 'error' || agent.status === 'stopped') {
        throw new WaitError(`${agent.name} is ${agent.status}: ${agent.reason || 'no reason given'}`, agent)
      }
      const left = deadline - Date.now()
      if (left <= 0) throw new WaitError(`${agent.name} is still ${agent.status} after ${waitMs} ms.`, agent)
      await pause(Math.min(look, left), call.signal)
    }
  }

  /** The last lines, oldest first. */
  async logs(id: string, options: LogOptions = {}): Promise<LogLine[]> {
    const { tail, since, level, ...call } = options
    const request = { method: 'GET' as const, path: pathOf('agents', id, 'logs'), query: { tail, since, level } }
    return (await this.#transport.json<{ logs: LogLine[] }>(request, call)).logs
  }

  /**
   * Lines as they are written, behind the last `tail`, until the agent is deleted or `signal` fires.
   *
   * It begins when the first line is asked for: with `tail: 0`, what was written before is not told.
   * A connection that breaks, or falls silent, is taken up again behind the last line, so that none is missed and none
   * comes twice.
   */
  streamLogs(id: string, options: FollowOptions = {}): AsyncGenerator<LogLine, void, undefined> {
    return followLines(this.#transport, pathOf('agents', id, 'logs'), options)
  }

  /** What its replicas used, at most about 500 points a series. */
  metrics(id: string, options: CallOptions & { period?: Period; metric?: Metric } = {}): Promise<Metrics> {
    const { period, metric, ...call } = options
    const path = pathOf('agents', id, 'metrics')
    return this.#transport.json({ method: 'GET', path, query: { period, metric } }, call)
  }
}
