/** Against a server that misbehaves. */

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, describe, it } from 'node:test'

import {
  ApiError,
  ConflictError,
  ConnectionError,
  ForbiddenError,
  InternalServerError,
  InvalidRequestError,
  InvalidSignatureError,
  NeuaisClient,
  NeuaisError,
  NotFoundError,
  RateLimitError,
  ServiceUnavailableError,
  TimeoutError,
  UnauthorizedError,
  UnexpectedAnswerError,
  verifySignature,
  WaitError,
} from '../src/index.js'
import { OddServer, refused, type Said } from './odd-server.js'

const AGENT = {
  id: 'agt_1',
  name: 'my-agent',
  status: 'running',
  replicas: 3,
  region: 'us-west-2',
  created_at: '2024-01-15T10:00:00Z',
  updated_at: '2024-01-15T10:05:00Z',
}
const FOUND: Said = { status: 200, body: AGENT }
const HANGS_UP: Said = {}
/** As a passing fault, but at once. */
const BUSY = refused(503, 'service_unavailable', { 'Retry-After': '0' })
const TOKEN = { access_token: 'first', token_type: 'Bearer', expires_in: 3600 }

function listed(ids: string[], more: object = {}): Said {
  const agents = ids.map((id) => ({ ...AGENT, id }))
  return { status: 200, body: { agents, total: ids.length, limit: 100, offset: 0, ...more } }
}

function event(id: number, message: string): string {
  const line = { timestamp: '2024-01-15T10:00:00Z', level: 'info', message, replica: 'r' }
  return `id: ${id}\ndata: ${JSON.stringify(line)}\n\n`
}

async function caught(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => assert.fail('nothing was thrown'),
    (error: unknown) => error,
  )
}

describe('against a server that misbehaves', () => {
  const odd = new OddServer()
  let client: NeuaisClient

  before(async () => {
    await odd.start()
    client = new NeuaisClient('secret', { baseUrl: odd.url })
  })
  after(() => odd.stop())

  it('reads the list of the documentation', async () => {
    odd.says(listed(['agt_1']))

    const agents = await client.agents.list()

    assert.deepEqual(agents.map((agent) => agent.name), ['my-agent'])
    assert.equal(agents.length, 1)
    assert.deepEqual([agents.total, agents.limit, agents.offset, agents.has_more], [1, 100, 0, false])
    assert.equal(odd.asked[0]?.path, '/v1/agents')
    assert.equal(odd.asked[0]?.headers['authorization'], 'Bearer secret')
  })

  it('asks for what is wanted', async () => {
    odd.says(listed([]))

    await client.agents.list({ status: 'running', region: 'eu', limit: 5, sort: 'created_at:desc', fields: ['id', 'name'] })

    const query = new URL(odd.asked[0]?.path ?? '', odd.url).searchParams
    const expected = { limit: '5', sort: 'created_at:desc', fields: 'id,name', status: 'running', region: 'eu' }
    assert.deepEqual(Object.fromEntries(query), expected)
  })

  for (const passing of [BUSY, HANGS_UP, { status: 502 }, { status: 504 }, refused(429, 'rate_limit_exceeded')]) {
    it(`tries again after ${passing.status ?? 'a connection that broke'}`, async () => {
      odd.says(passing, FOUND)

      assert.equal((await client.agents.get('agt_1')).name, 'my-agent')
      assert.equal(odd.asked.length, 2)
    })
  }

  it('sends a POST again under one key', async () => {
    odd.says(BUSY, refused(409, 'conflict', { 'Retry-After': '0' }), FOUND)

    await client.agents.scale('agt_1', 2)

    assert.equal(odd.asked.length, 3)
    assert.equal(new Set(odd.asked.map((asked) => asked.headers['idempotency-key'])).size, 1)
    assert.deepEqual(odd.asked[2]?.body, { replicas: 2 })
    odd.says(FOUND)
    await client.agents.restart('agt_1', { idempotencyKey: 'mine' })
    assert.equal(odd.asked[0]?.headers['idempotency-key'], 'mine')
  })

  it('waits as long as the server says, but not for longer than a minute', async () => {
    const began = Date.now()
    odd.says(refused(429, 'rate_limit_exceeded', { 'Retry-After': '1' }), FOUND)
    await client.agents.get('agt_1')
    assert.ok(Date.now() - began >= 1000)

    odd.says(refused(429, 'rate_limit_exceeded', { 'Retry-After': new Date(Date.now() + 3_600_000).toUTCString() }))
    const error = await caught(client.agents.get('agt_1'))
    assert.ok(error instanceof RateLimitError && error.retryAfter !== undefined && error.retryAfter > 3500)
    assert.equal(odd.asked.length, 1)
  })

  it('comes to an end of trying', async () => {
    odd.says(BUSY)
    assert.ok((await caught(client.agents.get('agt_1'))) instanceof ServiceUnavailableError)
    assert.equal(odd.asked.length, 4)
    odd.says(HANGS_UP)
    const error = await caught(client.agents.get('agt_1', { maxRetries: 0 }))
    assert.ok(error instanceof ConnectionError)
    assert.match(error.message, /gave no answer/)
  })

  const kinds: [number, string, typeof ApiError][] = [
    [400, 'invalid_request', InvalidRequestError],
    [401, 'unauthorized', UnauthorizedError],
    [403, 'forbidden', ForbiddenError],
    [404, 'not_found', NotFoundError],
    [409, 'conflict', ConflictError],
    [429, 'rate_limit_exceeded', RateLimitError],
    [500, 'internal_error', InternalServerError],
    [503, 'service_unavailable', ServiceUnavailableError],
  ]
  for (const [status, code, Kind] of kinds) {
    it(`has an error for ${code}`, async () => {
      const headers = { 'X-Request-Id': 'req-1', 'Retry-After': '61' }
      odd.says(refused(status, code, headers, { field: 'replicas', reason: 'must be greater than 0' }))

      const error = await caught(client.agents.get('agt_1'))

      assert.ok(error instanceof Kind)
      assert.equal(error.name, Kind.name)
      assert.deepEqual(
        [error.status, error.code, error.message, error.field, error.reason, error.requestId, error.retryAfter],
        [status, code, `It is ${code}.`, 'replicas', 'must be greater than 0', 'req-1', 61],
      )
      assert.equal(odd.asked.length, 1)
    })
  }

  it('tells of an answer of something else', async () => {
    odd.says({ status: 200, body: ['what'] })
    assert.ok((await caught(client.agents.list())) instanceof UnexpectedAnswerError)
    odd.says({ status: 404, body: 'gone' })
    assert.ok((await caught(client.agents.get('x'))) instanceof NotFoundError)
    assert.throws(() => client.agents.get(''), TypeError)
  })

  it('reads a list page by page, and nothing twice', async () => {
    odd.says(
      listed(['a', 'b'], { total: 5, has_more: true }),
      listed(['b', 'c'], { total: 5, has_more: true }),
      listed(['d'], { total: 5, has_more: false }),
    )

    const found: string[] = []
    for await (const agent of client.agents.iterate({ status: 'running', pageSize: 2 })) found.push(agent.id)

    assert.deepEqual(found, ['a', 'b', 'c', 'd'])
    const offsets = odd.asked.map((asked) => new URL(asked.path, odd.url).searchParams.get('offset'))
    assert.deepEqual(offsets, ['0', '2', '4'])
  })

  it('takes a stream up again behind its last line', async () => {
    odd.says(
      BUSY,
      { status: 200, chunks: [': still here\n\n', event(7, 'one'), event(8, 'two'), 'id: 9\ndata: {"half'], isWhole: false },
      HANGS_UP,
      { status: 200, chunks: [event(9, 'thr'), 'e: x\n\n'], isWhole: true },
      refused(404, 'not_found'),
    )

    const lines: [number, string][] = []
    for await (const line of client.agents.streamLogs('agt_1', { level: 'info' })) lines.push([line.id, line.message])

    assert.deepEqual(lines, [[7, 'one'], [8, 'two'], [9, 'thr']])
    assert.deepEqual(odd.asked.map((asked) => asked.headers['last-event-id']), [undefined, undefined, '8', '8', '9'])
    assert.equal(odd.asked[0]?.path, '/v1/agents/agt_1/logs?follow=true&level=info')
  })

  it('says why a stream is refused, and ends it when it is told to', async () => {
    odd.says(refused(404, 'not_found'))
    assert.ok((await caught(client.agents.streamLogs('agt_1').next())) instanceof NotFoundError)
    odd.says({ status: 200, body: { logs: [] } })
    assert.ok((await caught(client.agents.streamLogs('agt_1').next())) instanceof UnexpectedAnswerError)

    odd.says({ status: 200, chunks: [event(1, 'one')], afterMs: 0 }, { status: 200, chunks: [], afterMs: 60_000 })
    const stop = new AbortController()
    const stream = client.agents.streamLogs('agt_1', { signal: stop.signal })
    await stream.next()
    setTimeout(() => stop.abort(), 50)
    await assert.rejects(stream.next(), { name: 'AbortedError' })
  })

  it('fetches a token once, and again when it is refused or old', async () => {
    const agents = listed([])
    const [second, third] = [{ ...TOKEN, access_token: 'second', expires_in: 0 }, { ...TOKEN, access_token: 'third' }]
    odd.says(
      { status: 200, body: TOKEN },
      agents,
      refused(401, 'unauthorized'),
      { status: 200, body: second },
      agents,
      { status: 200, body: third },
      agents,
    )
    const login = { email: 'user@example.com', password: 'your-password' }
    const other = new NeuaisClient({ ...login, baseUrl: `${odd.url}/v1/` })

    for (let n = 0; n < 3; n += 1) await other.agents.list()

    const told = odd.asked.map((asked) => asked.headers['authorization'] ?? asked.body)
    assert.deepEqual(told, [login, 'Bearer first', 'Bearer first', login, 'Bearer second', login, 'Bearer third'])
    odd.says(refused(401, 'unauthorized'))
    assert.ok((await caught(client.agents.list())) instanceof UnauthorizedError)
    assert.equal(odd.asked.length, 1)
  })

  it('reads the environment', async () => {
    odd.says(FOUND)
    process.env['NEUAIS_BASE_URL'] = odd.url
    process.env['NEUAIS_TOKEN'] = 'from-outside'
    try {
      await new NeuaisClient().agents.get('my agent/x')
    } finally {
      delete process.env['NEUAIS_BASE_URL']
      delete process.env['NEUAIS_TOKEN']
    }

    assert.equal(odd.asked[0]?.path, '/v1/agents/my%20agent%2Fx')
    assert.equal(odd.asked[0]?.headers['authorization'], 'Bearer from-outside')
    const error = await caught(new NeuaisClient({ baseUrl: odd.url }).agents.list())
    assert.ok(error instanceof NeuaisError)
    assert.match(error.message, /no token/)
  })

  it('gives a slow answer up', async () => {
    odd.says({ ...FOUND, afterMs: 5_000 })

    const error = await caught(client.agents.get('agt_1', { timeoutMs: 50, maxRetries: 0 }))

    assert.ok(error instanceof TimeoutError)
  })

  it('waits for an agent', async () => {
    odd.says({ status: 200, body: { ...AGENT, status: 'deploying' } }, FOUND)
    assert.equal((await client.agents.waitUntilRunning('agt_1')).status, 'running')
    odd.says({ status: 200, body: { ...AGENT, status: 'error', reason: 'It crashed 5 times.' } })
    const error = await caught(client.agents.waitUntilRunning('agt_1'))
    assert.ok(error instanceof WaitError && error.agent.status === 'error')
    assert.match(error.message, /It crashed 5 times/)
    odd.says({ status: 200, body: { ...AGENT, status: 'deploying' } })
    assert.ok((await caught(client.agents.waitUntilRunning('agt_1', { waitMs: 200 }))) instanceof WaitError)
  })
})

describe('a signature', () => {
  const body = '{"event":"agent.created","timestamp":"2024-01-15T10:00:00Z","data":{"agent_id":"agt_1","name":"my-agent"}}'

  function signed(secret: string, at: number): Record<string, string> {
    const timestamp = String(Math.floor(at / 1000))
    const digest = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
    return { 'x-neuais-timestamp': timestamp, 'x-neuais-signature': `sha256=${digest}` }
  }

  it('is checked', async () => {
    const headers = signed('your-webhook-secret', Date.now())

    const event = await verifySignature(body, new Headers(headers), 'your-webhook-secret')

    assert.equal(event.data.name, 'my-agent')
    await verifySignature(new TextEncoder().encode(body), headers, 'your-webhook-secret')
    for (const [other, about, secret] of [
      [`${body} `, headers, 'your-webhook-secret'],
      [body, headers, 'another'],
      [body, {}, 'your-webhook-secret'],
      [body, signed('your-webhook-secret', Date.now() - 301_000), 'your-webhook-secret'],
      [body, { ...headers, 'x-neuais-signature': 'sha256=zz' }, 'your-webhook-secret'],
    ] as const) {
      await assert.rejects(verifySignature(other, about, secret), InvalidSignatureError)
    }
  })
})
