/** Lets the package's own functions at a client's transport, which nobody else needs. */

import type { Auvy } from './client.js'
import type { Transport } from './transport.js'

const transports = new WeakMap<Auvy, Transport>()

export function keepTransport(auvy: Auvy, transport: Transport): void {
  transports.set(auvy, transport)
}

export function transportOf(auvy: Auvy): Transport {
  const found = transports.get(auvy)
  if (found === undefined) throw new TypeError('This is no Auvy client.')
  return found
}
