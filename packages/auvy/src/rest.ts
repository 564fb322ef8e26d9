/** Traces, reflexes, receptors, interventions, pathways, brains, the vault. */

import type { CallOptions, Transport } from './transport.js'
import type {
  Brain,
  EngramPage,
  FiredJob,
  FireInput,
  Intervention,
  ListQuery,
  Pathway,
  PathwayInput,
  Receptor,
  ReceptorChanges,
  ReceptorInput,
  Reflex,
  ReflexInput,
  Trace,
  TracePage,
  TraceQuery,
  VaultDocument,
  VaultFolder,
} from './types.js'

const at = (id: string): string => `/${encodeURIComponent(id)}`

class Resource {
  constructor(protected readonly transport: Transport) {}
}

export class Traces extends Resource {
  list(query: TraceQuery = {}, options?: CallOptions): Promise<TracePage> {
    return this.transport.json('GET', '/v1/traces', { query }, options)
  }

  get(id: string, options?: CallOptions): Promise<Trace> {
    return this.transport.json('GET', `/v1/traces${at(id)}`, {}, options)
  }

  /** What was said, oldest first. */
  messages(id: string, query: { limit?: number; offset?: number } = {}, options?: CallOptions): Promise<EngramPage> {
    return this.transport.json('GET', `/v1/traces${at(id)}/messages`, { query }, options)
  }
}

export class Reflexes extends Resource {
  list(query: ListQuery = {}, options?: CallOptions): Promise<Reflex[]> {
    return this.transport.json('GET', '/v1/reflexes', { query }, options)
  }

  get(id: string, options?: CallOptions): Promise<Reflex> {
    return this.transport.json('GET', `/v1/reflexes${at(id)}`, {}, options)
  }

  create(input: ReflexInput, options?: CallOptions): Promise<Reflex> {
    return this.transport.json('POST', '/v1/reflexes', { body: input }, options)
  }

  update(id: string, changes: Partial<ReflexInput>, options?: CallOptions): Promise<Reflex> {
    return this.transport.json('PATCH', `/v1/reflexes${at(id)}`, { body: changes }, options)
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.transport.json('DELETE', `/v1/reflexes${at(id)}`, {}, options)
  }
}

export class Receptors extends Resource {
  list(query: { neuron_id?: string; pathway_id?: string; limit?: number; offset?: number } = {}, options?: CallOptions): Promise<Receptor[]> {
    return this.transport.json('GET', '/v1/receptors', { query }, options)
  }

  create(input: ReceptorInput, options?: CallOptions): Promise<Receptor> {
    return this.transport.json('POST', '/v1/receptors', { body: input }, options)
  }

  get(workspaceSlug: string, slugOrId: string, options?: CallOptions): Promise<Receptor> {
    return this.transport.json('GET', `/v1/receptors${at(workspaceSlug)}${at(slugOrId)}`, {}, options)
  }

  update(workspaceSlug: string, slugOrId: string, changes: ReceptorChanges, options?: CallOptions): Promise<Receptor> {
    return this.transport.json('PATCH', `/v1/receptors${at(workspaceSlug)}${at(slugOrId)}`, { body: changes }, options)
  }

  delete(workspaceSlug: string, slugOrId: string, options?: CallOptions): Promise<void> {
    return this.transport.json('DELETE', `/v1/receptors${at(workspaceSlug)}${at(slugOrId)}`, {}, options)
  }

  fire(id: string, input: FireInput = {}, options?: CallOptions): Promise<FiredJob> {
    return this.transport.json('POST', `/v1/receptors${at(id)}/fire`, { body: input }, options)
  }

  /** A public link; one that was given out before ends. */
  share(id: string, options?: CallOptions): Promise<{ receptor_id: string; token: string; url: string }> {
    return this.transport.json('POST', `/v1/receptors${at(id)}/share`, {}, options)
  }

  unshare(id: string, options?: CallOptions): Promise<void> {
    return this.transport.json('DELETE', `/v1/receptors${at(id)}/share`, {}, options)
  }
}

export class Interventions extends Resource {
  list(
    query: { status?: Intervention['status']; job_id?: string; limit?: number; offset?: number } = {},
    options?: CallOptions,
  ): Promise<{ interventions: Intervention[]; total: number; limit: number; offset: number }> {
    return this.transport.json('GET', '/v1/interventions', { query }, options)
  }

  get(id: string, options?: CallOptions): Promise<Intervention> {
    return this.transport.json('GET', `/v1/interventions${at(id)}`, {}, options)
  }

  respond(
    id: string,
    body: { action: 'approve' | 'reject'; comment?: string; fields?: Record<string, unknown> },
    options?: CallOptions,
  ): Promise<Intervention> {
    return this.transport.json('POST', `/v1/interventions${at(id)}/respond`, { body }, options)
  }
}

export class Pathways extends Resource {
  list(query: ListQuery = {}, options?: CallOptions): Promise<Pathway[]> {
    return this.transport.json('GET', '/v1/pathways', { query }, options)
  }

  get(id: string, options?: CallOptions): Promise<Pathway> {
    return this.transport.json('GET', `/v1/pathways${at(id)}`, {}, options)
  }

  create(input: PathwayInput, options?: CallOptions): Promise<Pathway> {
    return this.transport.json('POST', '/v1/pathways', { body: input }, options)
  }

  update(id: string, changes: Partial<PathwayInput>, options?: CallOptions): Promise<Pathway> {
    return this.transport.json('PATCH', `/v1/pathways${at(id)}`, { body: changes }, options)
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.transport.json('DELETE', `/v1/pathways${at(id)}`, {}, options)
  }

  execute(
    id: string,
    body: { input?: unknown; version?: number } = {},
    options?: CallOptions,
  ): Promise<{ job_id: string; status: string; pathway_id: string; stream_url: string }> {
    return this.transport.json('POST', `/v1/pathways${at(id)}/execute`, { body }, options)
  }
}

export class Brains extends Resource {
  list(options?: CallOptions): Promise<Brain[]> {
    return this.transport.json('GET', '/v1/brains', {}, options)
  }

  get(id: string, options?: CallOptions): Promise<Brain> {
    return this.transport.json('GET', `/v1/brains${at(id)}`, {}, options)
  }

  create(input: { name: string; slug?: string }, options?: CallOptions): Promise<Brain> {
    return this.transport.json('POST', '/v1/brains', { body: input }, options)
  }
}

export class Vault extends Resource {
  list(query: ListQuery & { path?: string } = {}, options?: CallOptions): Promise<VaultFolder> {
    return this.transport.json('GET', '/v1/vault', { query }, options)
  }

  add(input: { name: string; content: string; path?: string }, options?: CallOptions): Promise<VaultDocument> {
    return this.transport.json('POST', '/v1/vault/documents', { body: input }, options)
  }

  get(id: string, options?: CallOptions): Promise<VaultDocument> {
    return this.transport.json('GET', `/v1/vault/documents${at(id)}`, {}, options)
  }

  delete(id: string, options?: CallOptions): Promise<void> {
    return this.transport.json('DELETE', `/v1/vault/documents${at(id)}`, {}, options)
  }
}
