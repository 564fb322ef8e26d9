/** The client: one object, one namespace for each kind of thing. */

import { keepTransport } from './internal.js'
import { Jobs } from './jobs.js'
import { NeuronResources, Neurons } from './neurons.js'
import { Brains, Interventions, Pathways, Receptors, Reflexes, Traces, Vault } from './rest.js'
import { Transport, type AuvyOptions, type CallOptions } from './transport.js'
import type { SearchResult } from './types.js'

export class Auvy {
  readonly neurons: Neurons
  readonly resources: { readonly neurons: NeuronResources }
  readonly jobs: Jobs
  readonly traces: Traces
  readonly reflexes: Reflexes
  readonly receptors: Receptors
  readonly interventions: Interventions
  readonly pathways: Pathways
  readonly brains: Brains
  readonly vault: Vault
  readonly #transport: Transport

  constructor(options: AuvyOptions) {
    const transport = new Transport(options)
    const resources = new NeuronResources(transport)
    this.#transport = transport
    this.neurons = new Neurons(transport, resources)
    this.resources = { neurons: resources }
    this.jobs = new Jobs(transport)
    this.traces = new Traces(transport)
    this.reflexes = new Reflexes(transport)
    this.receptors = new Receptors(transport)
    this.interventions = new Interventions(transport)
    this.pathways = new Pathways(transport)
    this.brains = new Brains(transport)
    this.vault = new Vault(transport)
    keepTransport(this, transport)
  }

  /** Things by name: `neurons/billing`, or words for all kinds of things. */
  search(
    query: string,
    options: CallOptions & { limit?: number } = {},
  ): Promise<{ query: string; results: SearchResult[]; total: number }> {
    const { limit, ...call } = options
    return this.#transport.json('POST', '/v1/search', { body: { query, ...(limit === undefined ? {} : { limit }) } }, call)
  }
}

export function createAuvy(options: AuvyOptions): Auvy {
  return new Auvy(options)
}
