/** A server that misbehaves as it is told: it answers from a script, says nothing, or hangs up. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One answer; without a status it hangs up. chunks: sent one by one, then the line is cut unless `isWhole`. */
export interface Said {
  status?: number
  body?: unknown
  headers?: Record<string, string>
  chunks?: string[]
  isWhole?: boolean
  afterMs?: number
}

export interface Asked {
  method: string
  path: string
  headers: Record<string, string | string[] | undefined>
  body: unknown
}

export class OddServer {
  asked: Asked[] = []
  #script: Said[] = []
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** In order; the last one is given again and again. */
  says(...script: Said[]): void {
    this.#script = script
    this.asked = []
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const { method = '', url: path = '', headers } = request
    this.asked.push({ method, path, headers, body: text ? (JSON.parse(text) as unknown) : undefined })
    const said = (this.#script.length > 1 ? this.#script.shift() : this.#script[0]) ?? {}
    if (said.afterMs) await new Promise((resolve) => setTimeout(resolve, said.afterMs))
    if (said.status === undefined) return void request.socket.destroy()
    if (said.chunks === undefined) {
      response.writeHead(said.status, { connection: 'close', ...said.headers })
      return void response.end(said.body === undefined ? undefined : JSON.stringify(said.body))
    }
    response.writeHead(said.status, { 'content-type': 'text/event-stream', ...said.headers })
    for (const chunk of said.chunks) await new Promise((resolve) => response.write(chunk, resolve))
    if (said.isWhole ?? true) response.end()
    else request.socket.destroy()
  }
}

export function refused(status: number, code: string, headers: Record<string, string> = {}, details: object = {}): Said {
  return { status, headers, body: { error: { code, message: `It is ${code}.`, details } } }
}
