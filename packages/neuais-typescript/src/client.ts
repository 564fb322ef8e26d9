/** The client: one object, one namespace for each kind of thing. */

import { Agents } from './agents.js'
import { Live } from './live.js'
import { Auth, Billing, Services, Users, Webhooks } from './resources.js'
import { Transport, type ClientOptions } from './transport.js'

/** A client of one server, for one workspace. Every method throws NeuaisError. */
export class NeuaisClient {
  readonly auth: Auth
  readonly agents: Agents
  readonly services: Services
  readonly users: Users
  readonly billing: Billing
  readonly webhooks: Webhooks
  readonly #transport: Transport

  /** token: an access token or an API key; NEUAIS_TOKEN unless it, or an email and a password, are given. */
  constructor(token?: string | ClientOptions, options: ClientOptions = {}) {
    const given = typeof token === 'string' ? { ...options, token } : { ...options, ...token }
    const transport = new Transport(given)
    this.#transport = transport
    this.auth = new Auth(transport)
    this.agents = new Agents(transport)
    this.services = new Services(transport)
    this.users = new Users(transport)
    this.billing = new Billing(transport)
    this.webhooks = new Webhooks(transport)
  }

  get baseUrl(): string {
    return this.#transport.base
  }

  /** What happens, as it happens, over a WebSocket. */
  live(): Promise<Live> {
    return Live.open(this.#transport)
  }
}
