/** Hands bytes on to a server until it is told to cut all lines. */

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class CuttingProxy {
  readonly #server: Server
  readonly #ends = new Set<Socket>()

  constructor(target: URL) {
    this.#server = createServer((near) => {
      const far = connect(Number(target.port), target.hostname)
      for (const [end, other] of [[near, far], [far, near]] as const) {
        this.#ends.add(end)
        end.on('error', () => other.destroy())
        end.on('close', () => {
          this.#ends.delete(end)
          other.destroy()
        })
        end.pipe(other)
      }
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }

  cut(): void {
    for (const end of this.#ends) end.destroy()
  }

  stop(): void {
    this.#server.close()
    this.cut()
  }
}
