/** Live connections that end in every way: NEUAIS_ODD_URL is a server that ends them so, one after the other. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ForbiddenError, NeuaisClient, UnauthorizedError } from '../src/index.js'

const baseUrl = process.env['NEUAIS_ODD_URL'] ?? ''

describe('a live connection', { skip: baseUrl === '' ? 'NEUAIS_ODD_URL names no server' : false }, () => {
  const client = new NeuaisClient('secret', { baseUrl })

  it('is made again with its subscriptions', async () => {
    const live = await client.live()
    await live.subscribe('logs', { agent: 'agt_1', tail: 5, level: 'warn' })
    await live.subscribe('logs', { agent: 'agt_2', after: 3 })

    const told: [string, string, number][] = []
    for await (const event of live) told.push([event.type, event.subscription, event.type === 'logs' ? event.id : 0])

    assert.deepEqual(told, JSON.parse(process.env['NEUAIS_TOLD'] ?? ''))
    live.close()
  })

  it('ends with a token that cannot be renewed, and for who may not listen', async () => {
    const live = await client.live()
    await live.subscribe('status')
    await assert.rejects(live[Symbol.asyncIterator]().next(), UnauthorizedError)

    const other = await client.live()
    await assert.rejects(other.subscribe('status'), ForbiddenError)
  })
})
