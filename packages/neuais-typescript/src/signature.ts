/** For those who receive webhooks: is a delivery what it says it is? */

import { InvalidSignatureError } from './errors.js'
import type { WebhookEvent } from './types.js'

export const SIGNATURE_HEADER = 'X-NeuAIs-Signature'
export const TIMESTAMP_HEADER = 'X-NeuAIs-Timestamp'
/** The same for each try of one delivery: what was seen once may be left away. */
export const ID_HEADER = 'X-NeuAIs-Id'

const PREFIX = 'sha256='

export type ReceivedHeaders = Headers | Record<string, string | string[] | undefined>

/**
 * The event of a delivery that was signed with `secret`, lately. Throws InvalidSignatureError.
 *
 * body: as it came; parsed and written again it is another. toleranceSeconds: how old it may be, so that a delivery
 * someone has listened to cannot be sent again later; 300 unless given.
 */
export async function verifySignature(
  body: string | Uint8Array,
  headers: ReceivedHeaders,
  secret: string,
  options: { toleranceSeconds?: number } = {},
): Promise<WebhookEvent> {
  const { toleranceSeconds = 300 } = options
  const encoder = new TextEncoder()
  const content = typeof body === 'string' ? encoder.encode(body) : body
  const timestamp = header(headers, TIMESTAMP_HEADER)
  const signature = digestOf(header(headers, SIGNATURE_HEADER))
  const subtle = globalThis.crypto.subtle
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await subtle.importKey('raw', encoder.encode(secret), algorithm, false, ['verify'])
  const signed = joined(encoder.encode(`${timestamp}.`), content)
  if (!(await subtle.verify('HMAC', key, signature, signed))) {
    throw new InvalidSignatureError('The signature is not the one that this secret gives.')
  }
  const age = Math.abs(Date.now() / 1000 - Number(timestamp))
  if (!(age <= toleranceSeconds)) {
    throw new InvalidSignatureError(`${TIMESTAMP_HEADER} ${timestamp} is not within ${toleranceSeconds} s of now.`)
  }
  try {
    return JSON.parse(new TextDecoder().decode(content)) as WebhookEvent
  } catch (error) {
    throw new InvalidSignatureError('The body is no JSON.', { cause: error })
  }
}

function header(headers: ReceivedHeaders, name: string): string {
  const value =
    headers instanceof Headers
      ? headers.get(name)
      : Object.entries(headers).find(([given]) => given.toLowerCase() === name.toLowerCase())?.[1]
  const single = Array.isArray(value) ? value[0] : value
  if (!single) throw new InvalidSignatureError(`The delivery has no ${name}.`)
  return single
}

/** The bytes that `sha256=<hex>` means; none for anything else. */
function digestOf(signature: string): Uint8Array<ArrayBuffer> {
  const hex = signature.startsWith(PREFIX) ? signature.slice(PREFIX.length) : ''
  if (!/^([0-9a-f]{2})+$/.test(hex)) return new Uint8Array()
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}
