/** Jobs: how runs stand, and waiting for them. */
import type { CallOptions, Transport } from './transport.js';
import type { Job, JobInput, JobPage, JobQuery } from './types.js';
export interface WaitOptions extends CallOptions {
    /** How often to ask; 500 unless given. */
    everyMs?: number;
}
export declare class Jobs {
    #private;
    constructor(transport: Transport);
    list(query?: JobQuery, options?: CallOptions): Promise<JobPage>;
    get(id: string, options?: CallOptions): Promise<Job>;
    status(id: string, options?: CallOptions): Promise<Job>;
    cancel(id: string, options?: CallOptions): Promise<Job>;
    resume(id: string, body?: {
        max_cost_usd?: number;
    }, options?: CallOptions): Promise<Job>;
    input(id: string, body: JobInput, options?: CallOptions): Promise<Job & {
        accepted: string;
    }>;
    /** Asks until the job is over, or waits for a person or a budget. `timeoutMs` is for each request. */
    wait(id: string, options?: WaitOptions): Promise<Job>;
}
/** Raises AUVYError when the signal fires meanwhile. */
export declare function pause(ms: number, signal?: AbortSignal): Promise<void>;
