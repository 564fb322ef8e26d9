/** Lists, a page at a time or as one. */

import { UnexpectedAnswerError } from './errors.js'
import type { CallOptions, Transport } from './transport.js'

/** One page of a list; what is made from it, as by `map`, is a plain array. */
export class Page<T> extends Array<T> {
  /** Of all pages. */
  total = 0
  limit = 0
  offset = 0
  has_more = false

  static override get [Symbol.species](): ArrayConstructor {
    return Array
  }
}

export interface ListOptions<K extends string = string> extends CallOptions {
  limit?: number
  offset?: number
  /** As `created_at:desc`; more after commas. */
  sort?: string
  /** Only these fields. */
  fields?: readonly K[]
  status?: string
  region?: string
}

export interface IterateOptions<K extends string = string> extends Omit<ListOptions<K>, 'limit' | 'offset'> {
  /** How many are fetched at once; 100 unless given. */
  pageSize?: number
}

export interface OneOptions<K extends string = string> extends CallOptions {
  /** Only these fields. */
  fields?: readonly K[]
}

export function oneOf<T>(transport: Transport, path: string, options: OneOptions): Promise<T> {
  const { fields, ...call } = options
  return transport.json({ method: 'GET', path, query: { fields: fields?.join(',') } }, call)
}

/** name: what the list is called in the envelope. */
export async function pageOf<T>(
  transport: Transport,
  path: string,
  name: string,
  options: ListOptions,
): Promise<Page<T>> {
  const { limit, offset, sort, fields, status, region, ...call } = options
  const query = { limit, offset, sort, fields: fields?.join(','), status, region }
  const body = await transport.json<Record<string, unknown>>({ method: 'GET', path, query }, call)
  const rows: unknown = body?.[name]
  if (!Array.isArray(rows)) {
    const sent = JSON.stringify(body)?.slice(0, 200)
    throw new UnexpectedAnswerError(`Where a list of ${name} should be, the server sent ${sent}.`)
  }
  const page = new Page<T>()
  for (const row of rows) page.push(row as T)
  page.offset = numberOf(body['offset'], 0)
  page.limit = numberOf(body['limit'], rows.length)
  page.total = numberOf(body['total'], page.offset + rows.length)
  page.has_more = typeof body['has_more'] === 'boolean' ? body['has_more'] : page.offset + rows.length < page.total
  return page
}

/** All of them. What a thing made meanwhile moves to a later page does not come twice. */
export async function* everyOf<T>(
  transport: Transport,
  path: string,
  name: string,
  options: IterateOptions,
): AsyncGenerator<T, void, undefined> {
  const { pageSize = 100, ...rest } = options
  const seen = new Set<string>()
  let offset = 0
  for (;;) {
    const page = await pageOf<T>(transport, path, name, { ...rest, limit: pageSize, offset })
    for (const item of page) {
      const id: unknown = (item as { id?: unknown }).id
      if (typeof id === 'string' && seen.size === seen.add(id).size) continue
      yield item
    }
    offset += page.length
    if (!page.has_more || page.length === 0) return
  }
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise
}
