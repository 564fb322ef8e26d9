/** Services, users, billing, webhooks, tokens. */

import type { Credentials } from './credentials.js'
import { everyOf, oneOf, pageOf, type IterateOptions, type ListOptions, type OneOptions, type Page } from './pages.js'
import { pathOf, type CallOptions, type Transport } from './transport.js'
import type {
  CreateUser,
  CreateWebhook,
  Delivery,
  DeliveryWithAttempts,
  Invoice,
  InvoiceWithLines,
  Message,
  Service,
  ServiceStatus,
  Token,
  UpdateUser,
  Usage,
  User,
  Webhook,
} from './types.js'

class Resource {
  protected readonly transport: Transport

  constructor(transport: Transport) {
    this.transport = transport
  }
}

export class Auth extends Resource {
  /** A token for someone, which this client does not use. */
  async token(email: string, password: string, options: CallOptions = {}): Promise<Token> {
    return (await this.transport.signIn({ email, password }, options)) as Token
  }

  /** From now on this client calls as that user, with a token that it renews before it expires. */
  async login(email: string, password: string, options: CallOptions = {}): Promise<Token> {
    const token = await this.token(email, password, options)
    const credentials: Credentials = this.transport.credentials
    credentials.use({ email, password }, token)
    return token
  }
}

/** The platform's own services. */
export class Services extends Resource {
  list<K extends keyof Service = keyof Service>(options: ListOptions<K> = {}): Promise<Page<Pick<Service, K>>> {
    return pageOf(this.transport, '/services', 'services', options)
  }

  /** How one is, with what was checked. */
  status(name: string, options: CallOptions = {}): Promise<ServiceStatus> {
    return this.transport.json({ method: 'GET', path: pathOf('services', name, 'status') }, options)
  }
}

/** Users of the workspace; only admins may change them. */
export class Users extends Resource {
  list<K extends keyof User = keyof User>(options: ListOptions<K> = {}): Promise<Page<Pick<User, K>>> {
    return pageOf(this.transport, '/users', 'users', options)
  }

  /** All of them; a page is fetched when it is needed. */
  iterate<K extends keyof User = keyof User>(
    options: IterateOptions<K> = {},
  ): AsyncGenerator<Pick<User, K>, void, undefined> {
    return everyOf(this.transport, '/users', 'users', options)
  }

  get<K extends keyof User = keyof User>(id: string, options: OneOptions<K> = {}): Promise<Pick<User, K>> {
    return oneOf(this.transport, pathOf('users', id), options)
  }

  create(user: CreateUser, options: CallOptions = {}): Promise<User> {
    return this.transport.json({ method: 'POST', path: '/users', body: user }, options)
  }

  /** Changes what is given. */
  update(id: string, changes: UpdateUser, options: CallOptions = {}): Promise<User> {
    return this.transport.json({ method: 'PUT', path: pathOf('users', id), body: changes }, options)
  }

  /** Throws ConflictError for the last owner. */
  delete(id: string, options: CallOptions = {}): Promise<Message> {
    return this.transport.json({ method: 'DELETE', path: pathOf('users', id) }, options)
  }
}

/** What ran, and what it costs. */
export class Billing extends Resource {
  /** Of a month. period: `current`, `last_month`, or a month as `2024-01`. */
  usage(options: CallOptions & { period?: 'current' | 'last_month' | (string & {}) } = {}): Promise<Usage> {
    const { period, ...call } = options
    return this.transport.json({ method: 'GET', path: '/billing/usage', query: { period } }, call)
  }

  invoices<K extends keyof Invoice = keyof Invoice>(options: ListOptions<K> = {}): Promise<Page<Pick<Invoice, K>>> {
    return pageOf(this.transport, '/billing/invoices', 'invoices', options)
  }

  /** All of them; a page is fetched when it is needed. */
  iterateInvoices<K extends keyof Invoice = keyof Invoice>(
    options: IterateOptions<K> = {},
  ): AsyncGenerator<Pick<Invoice, K>, void, undefined> {
    return everyOf(this.transport, '/billing/invoices', 'invoices', options)
  }

  /** One with its lines. */
  invoice(id: string, options: CallOptions = {}): Promise<InvoiceWithLines> {
    return this.transport.json({ method: 'GET', path: pathOf('billing', 'invoices', id) }, options)
  }
}

/** Addresses that are told what happens to agents. */
export class Webhooks extends Resource {
  list<K extends keyof Webhook = keyof Webhook>(options: ListOptions<K> = {}): Promise<Page<Pick<Webhook, K>>> {
    return pageOf(this.transport, '/webhooks', 'webhooks', options)
  }

  /** All of them; a page is fetched when it is needed. */
  iterate<K extends keyof Webhook = keyof Webhook>(
    options: IterateOptions<K> = {},
  ): AsyncGenerator<Pick<Webhook, K>, void, undefined> {
    return everyOf(this.transport, '/webhooks', 'webhooks', options)
  }

  create(webhook: CreateWebhook, options: CallOptions = {}): Promise<Webhook> {
    return this.transport.json({ method: 'POST', path: '/webhooks', body: webhook }, options)
  }

  get(id: string, options: CallOptions = {}): Promise<Webhook> {
    return this.transport.json({ method: 'GET', path: pathOf('webhooks', id) }, options)
  }

  delete(id: string, options: CallOptions = {}): Promise<Message> {
    return this.transport.json({ method: 'DELETE', path: pathOf('webhooks', id) }, options)
  }

  /** What was sent, or is to be. */
  deliveries(id: string, options: ListOptions = {}): Promise<Page<Delivery>> {
    return pageOf(this.transport, pathOf('webhooks', id, 'deliveries'), 'deliveries', options)
  }

  /** All of them; a page is fetched when it is needed. */
  iterateDeliveries(id: string, options: IterateOptions = {}): AsyncGenerator<Delivery, void, undefined> {
    return everyOf(this.transport, pathOf('webhooks', id, 'deliveries'), 'deliveries', options)
  }

  /** One with what it says and every attempt. */
  delivery(id: string, deliveryId: string, options: CallOptions = {}): Promise<DeliveryWithAttempts> {
    return this.transport.json({ method: 'GET', path: pathOf('webhooks', id, 'deliveries', deliveryId) }, options)
  }

  /** Sends all again that failed in the last 24 hours. */
  redeliverFailed(id: string, options: CallOptions = {}): Promise<{ count: number }> {
    return this.transport.json({ method: 'POST', path: pathOf('webhooks', id, 'redeliver') }, options)
  }

  /** Sends one again, under the same id. */
  redeliver(id: string, deliveryId: string, options: CallOptions = {}): Promise<Delivery> {
    const path = pathOf('webhooks', id, 'deliveries', deliveryId, 'redeliver')
    return this.transport.json({ method: 'POST', path }, options)
  }
}
