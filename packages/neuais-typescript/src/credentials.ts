/** A token that was given, or one that is fetched with an email and a password and renewed before it expires. */

import { NeuaisError } from './errors.js'
import { environment, type ClientOptions, type Transport } from './transport.js'
import type { Token } from './types.js'

export interface Login {
  email: string
  password: string
}

const RENEWED_BEFORE_SECONDS = 60

export class Credentials {
  readonly #transport: Transport
  #login: Login | undefined
  #token: string | undefined
  #renewAt = Number.POSITIVE_INFINITY
  #fetching: Promise<string> | undefined

  constructor(transport: Transport, options: ClientOptions) {
    const { token, email, password } = options
    if ((email === undefined) !== (password === undefined)) throw new TypeError('Give `email` and `password` together.')
    if (token !== undefined && email !== undefined) throw new TypeError('Give a token, or an email and a password.')
    this.#transport = transport
    if (email !== undefined && password !== undefined) this.#login = { email, password }
    else this.#token = token ?? environment('NEUAIS_TOKEN')
  }

  get renews(): boolean {
    return this.#login !== undefined
  }

  use(login: Login, token: Token): void {
    this.#login = login
    this.#keep(token)
  }

  /** insteadOf: one that the server refused. */
  async token(insteadOf?: string): Promise<string> {
    const known = this.#token
    if (known !== undefined && known !== insteadOf && Date.now() < this.#renewAt) return known
    const login = this.#login
    if (login === undefined) throw new NeuaisError('There is no token; give one, or an email and a password.')
    this.#fetching ??= this.#fetch(login).finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  /** Whether there is another token now than the one that the server refused. */
  async renewed(): Promise<boolean> {
    if (this.#login === undefined) return false
    await this.token(this.#token)
    return true
  }

  async #fetch(login: Login): Promise<string> {
    return this.#keep((await this.#transport.signIn(login)) as Token)
  }

  #keep(token: Token): string {
    const margin = Math.min(RENEWED_BEFORE_SECONDS, token.expires_in / 2)
    this.#token = token.access_token
    this.#renewAt = Date.now() + (token.expires_in - margin) * 1000
    return token.access_token
  }
}
