/** A job's events as they come. A line that breaks is taken up again behind the last event that was seen. */

import type { Auvy } from './client.js'
import { AUVYError } from './errors.js'
import { pause } from './jobs.js'
import { transportOf } from './internal.js'
import type { CallOptions, Transport } from './transport.js'
import type { JobEvent } from './types.js'

export interface StreamOptions extends Omit<CallOptions, 'timeoutMs' | 'idempotencyKey'> {
  /** Only events behind this cursor. */
  after?: number
  /** How often in a row to connect again; 10 unless given. */
  maxReconnects?: number
  /** The first pause before connecting again, doubled each time up to 5 s; 250 unless given. */
  reconnectDelayMs?: number
  /** A line on which nothing came for this long, not even a ping, is taken for broken; 45,000 unless given. */
  idleTimeoutMs?: number
}

const LONGEST_PAUSE_MS = 5_000

/** Ends after `complete` or `error`. Raises AUVYError when the server refuses, or cannot be reached any more. */
export async function* createStream(
  auvy: Auvy,
  jobId: string,
  options: StreamOptions = {},
): AsyncGenerator<JobEvent, void, undefined> {
  const transport = transportOf(auvy)
  const { maxReconnects = 10, reconnectDelayMs = 250 } = options
  let cursor = options.after
  let failures = 0
  for (;;) {
    try {
      for await (const event of connected(transport, jobId, cursor, options)) {
        failures = 0
        cursor = event.cursor
        yield event
        if (event.type === 'complete' || event.type === 'error') return
      }
      // A line that ends in good order without a last event: everything up to the cursor was the end already.
      if (failures === 0 && cursor !== undefined && (await isOver(auvy, jobId, options))) return
    } catch (error) {
      if (!isPassing(error) || failures >= maxReconnects) throw error
    }
    if (failures >= maxReconnects) throw new AUVYError('The stream broke off again and again.', 'NETWORK_ERROR')
    await pause(Math.min(reconnectDelayMs * 2 ** failures, LONGEST_PAUSE_MS), options.signal)
    failures += 1
  }
}

async function isOver(auvy: Auvy, jobId: string, options: StreamOptions): Promise<boolean> {
  const { status } = await auvy.jobs.get(jobId, callOf(options))
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}

/** Whether trying again may help. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof AUVYError) || error.code === 'ABORTED') return false
  return error.status === undefined || error.status === 429 || error.status >= 500
}

function callOf(options: StreamOptions): CallOptions {
  return {
    ...(options.brainId === undefined ? {} : { brainId: options.brainId }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }
}

async function* connected(
  transport: Transport,
  jobId: string,
  cursor: number | undefined,
  options: StreamOptions,
): AsyncGenerator<JobEvent, void, undefined> {
  const headers = { Accept: 'text/event-stream', ...(cursor === undefined ? {} : { 'Last-Event-ID': String(cursor) }) }
  const path = `/v1/jobs/${encodeURIComponent(jobId)}/stream`
  const response = await transport.open(path, { headers }, callOf(options))
  if (response.body === null) return
  for await (const frame of frames(response.body, options)) {
    const event = read(frame)
    if (event !== undefined) yield event
  }
}

/** The parts of an event stream between blank lines. */
async function* frames(body: ReadableStream<Uint8Array>, options: StreamOptions): AsyncGenerator<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), options)
      if (done) return
      rest += decoder.decode(value, { stream: true })
      const parts = rest.split(/\r?\n\r?\n/)
      rest = parts.pop() ?? ''
      yield* parts
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

async function within<T>(reading: Promise<T>, options: StreamOptions): Promise<T> {
  const { idleTimeoutMs = 45_000, signal } = options
  let timer: ReturnType<typeof setTimeout> | undefined
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new AUVYError('The stream fell silent.', 'NETWORK_ERROR')), idleTimeoutMs)
  })
  try {
    return await Promise.race([reading, silence])
  } catch (error) {
    if (signal?.aborted) throw new AUVYError('The stream was aborted.', 'ABORTED', { cause: error })
    if (error instanceof AUVYError) throw error
    throw new AUVYError('The stream broke off.', 'NETWORK_ERROR', { cause: error })
  } finally {
    clearTimeout(timer)
    reading.catch(() => undefined) // it may still fail after the silence was noticed
  }
}

/** Comments and fields that are not ours give nothing. */
function read(frame: string): JobEvent | undefined {
  let id: number | undefined
  const data: string[] = []
  for (const line of frame.split(/\r?\n/)) {
    if (line.startsWith('id:')) id = Number(line.slice(3).trim())
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''))
  }
  if (id === undefined || data.length === 0) return undefined
  return { cursor: id, ...(JSON.parse(data.join('\n')) as object) } as JobEvent
}
