/** A job's events as they come. A line that breaks is taken up again behind the last event that was seen. */
import type { Auvy } from './client.js';
import type { CallOptions } from './transport.js';
import type { JobEvent } from './types.js';
export interface StreamOptions extends Omit<CallOptions, 'timeoutMs' | 'idempotencyKey'> {
    /** Only events behind this cursor. */
    after?: number;
    /** How often in a row to connect again; 10 unless given. */
    maxReconnects?: number;
    /** The first pause before connecting again, doubled each time up to 5 s; 250 unless given. */
    reconnectDelayMs?: number;
    /** A line on which nothing came for this long, not even a ping, is taken for broken; 45,000 unless given. */
    idleTimeoutMs?: number;
}
/** Ends after `complete` or `error`. Raises AUVYError when the server refuses, or cannot be reached any more. */
export declare function createStream(auvy: Auvy, jobId: string, options?: StreamOptions): AsyncGenerator<JobEvent, void, undefined>;
