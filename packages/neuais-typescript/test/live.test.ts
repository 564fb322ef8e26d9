/** Against a running server that runs programs: NEUAIS_URL, NEUAIS_KEY of a workspace of its own, NEUAIS_PROGRAM,
 * NEUAIS_RECEIVER for webhooks, NEUAIS_EMAIL and NEUAIS_PASSWORD of someone in another workspace. */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import {
  ConflictError,
  InvalidRequestError,
  InvalidSignatureError,
  LiveError,
  NeuaisClient,
  NotFoundError,
  UnauthorizedError,
  verifySignature,
  type Agent,
  type CreateAgent,
} from '../src/index.js'
import { CuttingProxy } from './cutting-proxy.js'

const baseUrl = process.env['NEUAIS_URL'] ?? ''
const key = process.env['NEUAIS_KEY'] ?? ''
const program = process.env['NEUAIS_PROGRAM'] ?? ''
const receiver = process.env['NEUAIS_RECEIVER'] ?? ''
const NOBODY = 'agt_00000000-0000-7000-8000-000000000000'

async function say(agent: Agent, text: string): Promise<void> {
  const answer = await fetch(`${agent.endpoints[0]}/say?${text}`)
  assert.equal(answer.status, 200)
  await answer.text()
}

async function refusal(work: Promise<unknown>): Promise<unknown> {
  return work.then(() => assert.fail('nothing was refused'), (error: unknown) => error)
}

interface Received {
  headers: Record<string, string>
  body: string
}

/** What the receiver of webhooks got. */
async function come(): Promise<Received[]> {
  return (await (await fetch(receiver)).json()) as Received[]
}

async function until<T>(look: () => Promise<T>, isDone: (found: T) => boolean): Promise<T> {
  for (const deadline = Date.now() + 20_000; ; ) {
    const found = await look()
    if (isDone(found)) return found
    assert.ok(Date.now() < deadline, JSON.stringify(found))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

describe('against a server', { skip: baseUrl === '' ? 'NEUAIS_URL names no server' : false }, () => {
  const client = new NeuaisClient(key, { baseUrl })
  let proxy: CuttingProxy
  let cut: NeuaisClient

  before(async () => {
    const target = new URL(baseUrl)
    proxy = new CuttingProxy(target)
    await proxy.start()
    cut = new NeuaisClient(key, { baseUrl: `http://127.0.0.1:${proxy.port}${target.pathname}` })
  })
  after(() => proxy.stop())

  async function deploy(name: string, more: Partial<CreateAgent> = {}): Promise<Agent> {
    const config = { cpu: '0.5', memory: '64Mi', ...more.config }
    return client.agents.create({ name, runtime: 'python', binary_url: program, ...more, config })
  }

  it('deploys a program and looks after it', async () => {
    const made = await deploy('my-agent', { environment: { LOG_LEVEL: 'info' } })
    assert.equal(made.status, 'deploying')

    const agent = await client.agents.waitUntilRunning(made.id)

    assert.deepEqual([agent.replicas, agent.ready_replicas, agent.environment_names], [1, 1, ['LOG_LEVEL']])
    await say(agent, 'hello')
    for await (const line of client.agents.streamLogs(agent.id)) if (line.message === 'hello') break
    const lines = await client.agents.logs(agent.id, { tail: 1, since: '1h' })
    assert.deepEqual(lines.map((line) => [line.message, line.level]), [['hello', 'info']])
    assert.equal((await client.agents.metrics(agent.id, { metric: 'cpu' })).period, '1h')
    assert.equal((await client.agents.scale(agent.id, 2)).replicas, 2)
    await client.agents.stop(agent.id)
    await client.agents.start(agent.id)
    await client.agents.restart(agent.id)
    const changed = await client.agents.update(agent.id, { config: { cpu: '0.6' }, environment: { SAYS: 'bye' } })
    assert.deepEqual([changed.config.cpu, changed.environment_names], ['0.6', ['SAYS']])
    assert.equal((await client.agents.delete(agent.id)).message, 'Agent deleted successfully')
    assert.ok((await refusal(client.agents.get(agent.id))) instanceof NotFoundError)
  })

  it('follows logs over cut connections, until the agent is deleted', async () => {
    const agent = await client.agents.waitUntilRunning((await deploy('followed')).id)
    const stream = cut.agents.streamLogs(agent.id, { after: 0 })
    const heard: string[] = []
    const next = async (): Promise<void> => {
      const { value } = await stream.next()
      if (value?.message === 'started') await next()
      else heard.push(value?.message ?? 'the end')
    }

    for (const number of [0, 1, 2]) {
      await say(agent, `before-${number}`)
      await next()
      proxy.cut()
      await say(agent, `behind-${number}`)
      await next()
    }
    assert.deepEqual(heard, ['before-0', 'behind-0', 'before-1', 'behind-1', 'before-2', 'behind-2'])

    await client.agents.delete(agent.id)
    while (heard.at(-1) !== 'the end') await next()
  })

  it('tells everything live over cut connections', async () => {
    const live = await cut.live()
    const states = await live.subscribe('status')
    const agent = await client.agents.waitUntilRunning((await deploy('lively')).id)
    for await (const event of live) if (event.type === 'status' && event.data.status === 'running') break
    await live.unsubscribe(states)
    const lines = await live.subscribe('logs', { agent: agent.id, level: 'info' })
    await say(agent, 'one')
    const heard: string[] = []
    const hear = async (count: number): Promise<void> => {
      for await (const event of live) {
        if (event.type === 'logs' && event.subscription === lines) heard.push(event.data.message)
        if (heard.length === count) return
      }
    }
    await hear(1)

    proxy.cut()
    await say(agent, 'two')
    await say(agent, 'three')
    await hear(3)

    assert.deepEqual(heard, ['one', 'two', 'three'])
    const refused = await refusal(live.subscribe('status', { agent: NOBODY }))
    assert.ok(refused instanceof LiveError && refused.code === 'not_found')
    await client.agents.delete(agent.id)
    const types: string[] = []
    for await (const event of live) types.push(event.type)
    assert.equal(types.at(-1), 'ended')
    live.close()
  })

  it('filters, sorts and cuts lists', async () => {
    for (const number of [0, 1, 2, 3, 4]) {
      await deploy(`agent-${number}`, { config: { replicas: 0, region: `r${number % 2}` } })
    }

    const names: string[] = []
    for await (const agent of client.agents.iterate({ sort: 'name', pageSize: 2 })) names.push(agent.name)
    const page = await client.agents.list({ region: 'r0', sort: 'name:desc', limit: 2, fields: ['id', 'name'] })

    assert.deepEqual(names, ['agent-0', 'agent-1', 'agent-2', 'agent-3', 'agent-4'])
    assert.deepEqual(page.map((agent) => Object.keys(agent).sort()), [['id', 'name'], ['id', 'name']])
    assert.deepEqual([page[0]?.name, page.total, page.limit, page.offset, page.has_more], ['agent-4', 3, 2, 0, true])
  })

  it('says what is wrong, and does nothing twice', async () => {
    const first = await client.agents.create(
      { name: 'once', runtime: 'python', binary_url: program, config: { replicas: 0 } },
      { idempotencyKey: 'once' },
    )
    const again = await client.agents.create(
      { name: 'once', runtime: 'python', binary_url: program, config: { replicas: 0 } },
      { idempotencyKey: 'once' },
    )
    const invalid = await refusal(deploy('invalid', { config: { replicas: -1 } }))

    assert.equal(again.id, first.id)
    assert.ok(invalid instanceof InvalidRequestError && invalid.field === 'replicas' && invalid.reason && invalid.requestId)
    assert.ok((await refusal(deploy('once'))) instanceof ConflictError)
    assert.ok((await refusal(client.agents.get(NOBODY))) instanceof NotFoundError)
    assert.ok((await refusal(new NeuaisClient('wrong', { baseUrl }).agents.list())) instanceof UnauthorizedError)
    await assert.rejects(new NeuaisClient('wrong', { baseUrl }).live(), UnauthorizedError)
  })

  it('tells webhooks what happens, and verifies it', async () => {
    const secret = 'your-webhook-secret'
    const made = await client.webhooks.create({ url: receiver, events: ['agent.deleted'], secret })
    const agent = await deploy('short-lived', { config: { replicas: 0 } })
    await client.agents.delete(agent.id)

    const [received] = await until(come, (found) => found.length === 1)

    assert.ok(received !== undefined)
    const event = await verifySignature(received.body, received.headers, secret)
    assert.deepEqual([event.event, event.data.agent_id, event.data.name], ['agent.deleted', agent.id, 'short-lived'])
    await assert.rejects(verifySignature(received.body, received.headers, 'another'), InvalidSignatureError)
    const [delivery] = await until(
      () => client.webhooks.deliveries(made.id),
      (found) => found[0]?.status === 'delivered',
    )
    assert.ok(delivery !== undefined)
    assert.deepEqual([delivery.event, delivery.response_status], ['agent.deleted', 204])
    assert.equal((await client.webhooks.redeliver(made.id, delivery.id)).id, delivery.id)
    await until(come, (found) => found.length === 2)
    const whole = await client.webhooks.delivery(made.id, delivery.id)
    assert.deepEqual([whole.payload?.event, whole.log[0]?.status], ['agent.deleted', 204])
    assert.equal((await client.webhooks.redeliverFailed(made.id)).count, 0)
    assert.equal((await client.webhooks.get(made.id)).status, 'active')
    assert.deepEqual((await client.webhooks.list()).map((one) => one.id), [made.id])
    await client.webhooks.delete(made.id)
    assert.equal((await client.webhooks.list()).total, 0)
  })

  it('lets users come and go', async () => {
    const email = `ada-${Date.now()}@example.com`
    const made = await client.users.create({ email, password: 'secure-password', role: 'developer', name: 'Ada' })

    assert.deepEqual([made.email, made.role, made.name, made.status], [email, 'developer', 'Ada', 'active'])
    assert.deepEqual(await client.users.get(made.id, { fields: ['email'] }), { email })
    assert.equal((await client.users.update(made.id, { role: 'viewer' })).role, 'viewer')
    const roles: string[] = []
    for await (const user of client.users.iterate({ sort: 'created_at', pageSize: 1 })) roles.push(user.role)
    assert.deepEqual(roles, ['owner', 'viewer'])
    await client.users.delete(made.id)
    const [owner] = await client.users.list()
    assert.ok((await refusal(client.users.delete(owner?.id ?? ''))) instanceof ConflictError)
  })

  it('tells of services and bills', async () => {
    const services = await client.services.list({ sort: 'name' })
    const auth = await client.services.status('auth')
    const { cost, period } = await client.billing.usage()

    assert.ok(services.some((service) => service.name === 'compute'))
    assert.equal(auth.status, 'healthy')
    assert.ok(auth.checks.every((check) => check.latency_ms >= 0))
    assert.ok(Math.abs(cost.total - cost.compute - cost.storage - cost.network) < 1e-6)
    assert.ok((await client.billing.usage({ period: 'last_month' })).period < period)
    assert.equal((await client.billing.invoices()).length, 0)
    const nothing = 'inv_00000000-0000-7000-8000-000000000000'
    assert.ok((await refusal(client.billing.invoice(nothing))) instanceof NotFoundError)
  })

  it('signs in', async () => {
    const [email, password] = [process.env['NEUAIS_EMAIL'] ?? '', process.env['NEUAIS_PASSWORD'] ?? '']

    const owner = new NeuaisClient({ email, password, baseUrl })
    assert.equal((await owner.agents.list()).total, 0)
    assert.equal((await owner.auth.token(email, password)).expires_in, 3600)
    const other = new NeuaisClient('wrong', { baseUrl })
    await other.auth.login(email, password)
    assert.equal((await other.agents.list()).total, 0)
    const wrong = new NeuaisClient({ email, password: 'wrong', baseUrl })
    assert.ok((await refusal(wrong.agents.list())) instanceof UnauthorizedError)
  })
})
