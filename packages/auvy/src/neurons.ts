/** Neurons: reads by UUID go to the catalogue, everything else to the vertical routes. */

import type { CallOptions, Transport } from './transport.js'
import type {
  InvokeInput,
  Neuron,
  NeuronInput,
  NeuronQuery,
  Reflex,
  StartedJob,
  VersionRow,
} from './types.js'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export interface GetOptions extends CallOptions {
  /** Show this version instead of the newest. */
  version?: number
}

const at = (...parts: (string | number)[]): string =>
  parts.map((part) => `/${encodeURIComponent(String(part))}`).join('')

/** The catalogue of the workspace: `/v1/resources/neurons`. */
export class NeuronResources {
  constructor(protected readonly transport: Transport) {}

  list(query: NeuronQuery = {}, options?: CallOptions): Promise<Neuron[]> {
    return this.transport.json('GET', '/v1/resources/neurons', { query }, options)
  }

  /** The head, by its UUID. */
  get(id: string, options?: CallOptions): Promise<Neuron> {
    return this.transport.json('GET', `/v1/resources/neurons${at(id)}`, {}, options)
  }

  /** Rows of the versions, newest first. */
  history(id: string, options?: CallOptions): Promise<VersionRow[]> {
    return this.transport.json('GET', `/v1/resources/neurons${at(id)}/history`, {}, options)
  }

  getVersion(id: string, version: number, options?: CallOptions): Promise<Neuron> {
    return this.transport.json('GET', `/v1/resources/neurons${at(id)}/versions${at(version)}`, {}, options)
  }

  promoteVersion(id: string, version: number, options?: CallOptions): Promise<Neuron> {
    return this.transport.json('POST', `/v1/resources${at(id)}/versions${at(version)}/promote`, {}, options)
  }

  /** Out of sight, until it is restored. */
  delete(id: string, options?: CallOptions): Promise<{ id: string; deleted: true; restorable: true }> {
    return this.transport.json('DELETE', `/v1/resources/neurons${at(id)}`, {}, options)
  }

  restore(id: string, options?: CallOptions): Promise<Neuron> {
    return this.transport.json('POST', `/v1/resources/neurons${at(id)}/restore`, {}, options)
  }
}

export class Neurons {
  readonly #transport: Transport
  readonly #resources: NeuronResources

  constructor(transport: Transport, resources: NeuronResources) {
    this.#transport = transport
    this.#resources = resources
  }

  list(query: NeuronQuery = {}, options?: CallOptions): Promise<Neuron[]> {
    return this.#resources.list(query, options)
  }

  /** By UUID or slug, as it is now or at an older version. */
  get(segment: string, options: GetOptions = {}): Promise<Neuron> {
    const { version, ...call } = options
    if (version === undefined && UUID.test(segment)) return this.#resources.get(segment, call)
    return this.#transport.json('GET', `/v1/neurons${at(segment)}`, { query: { version } }, call)
  }

  create(input: NeuronInput, options?: CallOptions): Promise<Neuron> {
    return this.#transport.json('POST', '/v1/neurons', { body: input }, options)
  }

  /** What is given changes; of `neuron_config`, too, what is not given stays. */
  update(id: string, changes: Partial<NeuronInput>, options?: CallOptions): Promise<Neuron> {
    return this.#transport.json('PUT', `/v1/neurons${at(id)}`, { body: changes }, options)
  }

  /** For good. `softDelete` can be undone. */
  delete(id: string, options?: CallOptions): Promise<{ id: string; deleted: true }> {
    return this.#transport.json('DELETE', `/v1/neurons${at(id)}`, {}, options)
  }

  softDelete(id: string, options?: CallOptions): Promise<{ id: string; deleted: true; restorable: true }> {
    return this.#resources.delete(id, options)
  }

  restore(id: string, options?: CallOptions): Promise<Neuron> {
    return this.#resources.restore(id, options)
  }

  listVersions(id: string, options?: CallOptions): Promise<VersionRow[]> {
    return this.#resources.history(id, options)
  }

  getVersion(id: string, version: number, options?: CallOptions): Promise<Neuron> {
    return this.#resources.getVersion(id, version, options)
  }

  promoteVersion(id: string, version: number, options?: CallOptions): Promise<Neuron> {
    return this.#transport.json('POST', `/v1/neurons${at(id)}/versions${at(version)}/promote`, {}, options)
  }

  /** Begins a job. Follow it with `createStream`, or wait for it with `jobs.wait`. */
  invoke(id: string, body: InvokeInput, options?: CallOptions): Promise<StartedJob> {
    return this.#transport.json('POST', `/v1/neurons${at(id)}/invoke`, { body }, options)
  }

  listReflexes(id: string, options?: CallOptions): Promise<Reflex[]> {
    return this.#transport.json('GET', `/v1/neurons${at(id)}/reflexes`, {}, options)
  }

  addReflex(id: string, reflexId: string, options?: CallOptions): Promise<Reflex> {
    return this.#transport.json('POST', `/v1/neurons${at(id)}/reflexes`, { body: { reflex_id: reflexId } }, options)
  }

  removeReflex(id: string, reflexId: string, options?: CallOptions): Promise<void> {
    return this.#transport.json('DELETE', `/v1/neurons${at(id)}/reflexes${at(reflexId)}`, {}, options)
  }
}
