/** Traces, reflexes, receptors, interventions, pathways, brains, the vault. */
import type { CallOptions, Transport } from './transport.js';
import type { Brain, EngramPage, FiredJob, FireInput, Intervention, ListQuery, Pathway, PathwayInput, Receptor, ReceptorChanges, ReceptorInput, Reflex, ReflexInput, Trace, TracePage, TraceQuery, VaultDocument, VaultFolder } from './types.js';
declare class Resource {
    protected readonly transport: Transport;
    constructor(transport: Transport);
}
export declare class Traces extends Resource {
    list(query?: TraceQuery, options?: CallOptions): Promise<TracePage>;
    get(id: string, options?: CallOptions): Promise<Trace>;
    /** What was said, oldest first. */
    messages(id: string, query?: {
        limit?: number;
        offset?: number;
    }, options?: CallOptions): Promise<EngramPage>;
}
export declare class Reflexes extends Resource {
    list(query?: ListQuery, options?: CallOptions): Promise<Reflex[]>;
    get(id: string, options?: CallOptions): Promise<Reflex>;
    create(input: ReflexInput, options?: CallOptions): Promise<Reflex>;
    update(id: string, changes: Partial<ReflexInput>, options?: CallOptions): Promise<Reflex>;
    delete(id: string, options?: CallOptions): Promise<void>;
}
export declare class Receptors extends Resource {
    list(query?: {
        neuron_id?: string;
        pathway_id?: string;
        limit?: number;
        offset?: number;
    }, options?: CallOptions): Promise<Receptor[]>;
    create(input: ReceptorInput, options?: CallOptions): Promise<Receptor>;
    get(workspaceSlug: string, slugOrId: string, options?: CallOptions): Promise<Receptor>;
    update(workspaceSlug: string, slugOrId: string, changes: ReceptorChanges, options?: CallOptions): Promise<Receptor>;
    delete(workspaceSlug: string, slugOrId: string, options?: CallOptions): Promise<void>;
    fire(id: string, input?: FireInput, options?: CallOptions): Promise<FiredJob>;
    /** A public link; one that was given out before ends. */
    share(id: string, options?: CallOptions): Promise<{
        receptor_id: string;
        token: string;
        url: string;
    }>;
    unshare(id: string, options?: CallOptions): Promise<void>;
}
export declare class Interventions extends Resource {
    list(query?: {
        status?: Intervention['status'];
        job_id?: string;
        limit?: number;
        offset?: number;
    }, options?: CallOptions): Promise<{
        interventions: Intervention[];
        total: number;
        limit: number;
        offset: number;
    }>;
    get(id: string, options?: CallOptions): Promise<Intervention>;
    respond(id: string, body: {
        action: 'approve' | 'reject';
        comment?: string;
        fields?: Record<string, unknown>;
    }, options?: CallOptions): Promise<Intervention>;
}
export declare class Pathways extends Resource {
    list(query?: ListQuery, options?: CallOptions): Promise<Pathway[]>;
    get(id: string, options?: CallOptions): Promise<Pathway>;
    create(input: PathwayInput, options?: CallOptions): Promise<Pathway>;
    update(id: string, changes: Partial<PathwayInput>, options?: CallOptions): Promise<Pathway>;
    delete(id: string, options?: CallOptions): Promise<void>;
    execute(id: string, body?: {
        input?: unknown;
        version?: number;
    }, options?: CallOptions): Promise<{
        job_id: string;
        status: string;
        pathway_id: string;
        stream_url: string;
    }>;
}
export declare class Brains extends Resource {
    list(options?: CallOptions): Promise<Brain[]>;
    get(id: string, options?: CallOptions): Promise<Brain>;
    create(input: {
        name: string;
        slug?: string;
    }, options?: CallOptions): Promise<Brain>;
}
export declare class Vault extends Resource {
    list(query?: ListQuery & {
        path?: string;
    }, options?: CallOptions): Promise<VaultFolder>;
    add(input: {
        name: string;
        content: string;
        path?: string;
    }, options?: CallOptions): Promise<VaultDocument>;
    get(id: string, options?: CallOptions): Promise<VaultDocument>;
    delete(id: string, options?: CallOptions): Promise<void>;
}
export {};
