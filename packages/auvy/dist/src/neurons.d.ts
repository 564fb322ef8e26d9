/** Neurons: reads by UUID go to the catalogue, everything else to the vertical routes. */
import type { CallOptions, Transport } from './transport.js';
import type { InvokeInput, Neuron, NeuronInput, NeuronQuery, Reflex, StartedJob, VersionRow } from './types.js';
export interface GetOptions extends CallOptions {
    /** Show this version instead of the newest. */
    version?: number;
}
/** The catalogue of the workspace: `/v1/resources/neurons`. */
export declare class NeuronResources {
    protected readonly transport: Transport;
    constructor(transport: Transport);
    list(query?: NeuronQuery, options?: CallOptions): Promise<Neuron[]>;
    /** The head, by its UUID. */
    get(id: string, options?: CallOptions): Promise<Neuron>;
    /** Rows of the versions, newest first. */
    history(id: string, options?: CallOptions): Promise<VersionRow[]>;
    getVersion(id: string, version: number, options?: CallOptions): Promise<Neuron>;
    promoteVersion(id: string, version: number, options?: CallOptions): Promise<Neuron>;
    /** Out of sight, until it is restored. */
    delete(id: string, options?: CallOptions): Promise<{
        id: string;
        deleted: true;
        restorable: true;
    }>;
    restore(id: string, options?: CallOptions): Promise<Neuron>;
}
export declare class Neurons {
    #private;
    constructor(transport: Transport, resources: NeuronResources);
    list(query?: NeuronQuery, options?: CallOptions): Promise<Neuron[]>;
    /** By UUID or slug, as it is now or at an older version. */
    get(segment: string, options?: GetOptions): Promise<Neuron>;
    create(input: NeuronInput, options?: CallOptions): Promise<Neuron>;
    /** What is given changes; of `neuron_config`, too, what is not given stays. */
    update(id: string, changes: Partial<NeuronInput>, options?: CallOptions): Promise<Neuron>;
    /** For good. `softDelete` can be undone. */
    delete(id: string, options?: CallOptions): Promise<{
        id: string;
        deleted: true;
    }>;
    softDelete(id: string, options?: CallOptions): Promise<{
        id: string;
        deleted: true;
        restorable: true;
    }>;
    restore(id: string, options?: CallOptions): Promise<Neuron>;
    listVersions(id: string, options?: CallOptions): Promise<VersionRow[]>;
    getVersion(id: string, version: number, options?: CallOptions): Promise<Neuron>;
    promoteVersion(id: string, version: number, options?: CallOptions): Promise<Neuron>;
    /** Begins a job. Follow it with `createStream`, or wait for it with `jobs.wait`. */
    invoke(id: string, body: InvokeInput, options?: CallOptions): Promise<StartedJob>;
    listReflexes(id: string, options?: CallOptions): Promise<Reflex[]>;
    addReflex(id: string, reflexId: string, options?: CallOptions): Promise<Reflex>;
    removeReflex(id: string, reflexId: string, options?: CallOptions): Promise<void>;
}
