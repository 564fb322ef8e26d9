/** The client: one object, one namespace for each kind of thing. */
import { Jobs } from './jobs.js';
import { NeuronResources, Neurons } from './neurons.js';
import { Brains, Interventions, Pathways, Receptors, Reflexes, Traces, Vault } from './rest.js';
import { type AuvyOptions, type CallOptions } from './transport.js';
import type { SearchResult } from './types.js';
export declare class Auvy {
    #private;
    readonly neurons: Neurons;
    readonly resources: {
        readonly neurons: NeuronResources;
    };
    readonly jobs: Jobs;
    readonly traces: Traces;
    readonly reflexes: Reflexes;
    readonly receptors: Receptors;
    readonly interventions: Interventions;
    readonly pathways: Pathways;
    readonly brains: Brains;
    readonly vault: Vault;
    constructor(options: AuvyOptions);
    /** Things by name: `neurons/billing`, or words for all kinds of things. */
    search(query: string, options?: CallOptions & {
        limit?: number;
    }): Promise<{
        query: string;
        results: SearchResult[];
        total: number;
    }>;
}
export declare function createAuvy(options: AuvyOptions): Auvy;
