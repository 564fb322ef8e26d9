/** Jobs: how runs stand, and waiting for them. */

import { AUVYError } from './errors.js'
import type { CallOptions, Transport } from './transport.js'
import type { Job, JobInput, JobPage, JobQuery } from './types.js'

const OVER = new Set(['completed', 'failed', 'cancelled'])

export interface WaitOptions extends CallOptions {
  /** How often to ask; 500 unless given. */
  everyMs?: number
}

export class Jobs {
  readonly #transport: Transport

  constructor(transport: Transport) {
    this.#transport = transport
  }

  list(query: JobQuery = {}, options?: CallOptions): Promise<JobPage> {
    return this.#transport.json('GET', '/v1/jobs', { query }, options)
  }

  get(id: string, options?: CallOptions): Promise<Job> {
    return this.#transport.json('GET', `/v1/jobs/${encodeURIComponent(id)}`, {}, options)
  }

  status(id: string, options?: CallOptions): Promise<Job> {
    return this.#transport.json('GET', `/v1/jobs/${encodeURIComponent(id)}/status`, {}, options)
  }

  cancel(id: string, options?: CallOptions): Promise<Job> {
    return this.#act(id, 'cancel', {}, options)
  }

  resume(id: string, body: { max_cost_usd?: number } = {}, options?: CallOptions): Promise<Job> {
    return this.#act(id, 'resume', body, options)
  }

  input(id: string, body: JobInput, options?: CallOptions): Promise<Job & { accepted: string }> {
    return this.#act(id, 'input', body, options)
  }

  /** Asks until the job is over, or waits for a person or a budget. `timeoutMs` is for each request. */
  async wait(id: string, options: WaitOptions = {}): Promise<Job> {
    const { everyMs = 500, ...call } = options
    for (;;) {
      const job = await this.get(id, call)
      if (OVER.has(job.status) || job.status === 'waiting' || job.status === 'paused') return job
      await pause(everyMs, call.signal)
    }
  }

  #act<T>(id: string, verb: string, body: object, options?: CallOptions): Promise<T> {
    return this.#transport.json('POST', `/v1/jobs/${encodeURIComponent(id)}/${verb}`, { body }, options)
  }
}

/** Raises AUVYError when the signal fires meanwhile. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(new AUVYError('The request was aborted.', 'ABORTED'))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { once: true })
  })
}
