/** Lets the package's own functions at a client's transport, which nobody else needs. */
import type { Auvy } from './client.js';
import type { Transport } from './transport.js';
export declare function keepTransport(auvy: Auvy, transport: Transport): void;
export declare function transportOf(auvy: Auvy): Transport;
