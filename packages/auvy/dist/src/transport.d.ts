/** Requests: credentials, the brain, timeouts, errors. */
export interface AuvyOptions {
    /** The surface's address, such as `http://localhost:8000/auvy`. */
    baseUrl: string;
    /** An API key or an access token, or a function that gives one for each request. */
    apiKey: string | (() => string | Promise<string>);
    /** The brain of requests that name none. */
    getBrainId?: () => string | undefined | Promise<string | undefined>;
    /** How long a request may take; 60,000 unless given, 0 for as long as it takes. Streams have no such limit. */
    timeoutMs?: number;
    /** Instead of the global one. */
    fetch?: typeof fetch;
}
export interface CallOptions {
    brainId?: string;
    signal?: AbortSignal;
    timeoutMs?: number;
    /** The same key within 24 hours gives the first answer again. */
    idempotencyKey?: string;
}
export interface Request {
    query?: object;
    body?: unknown;
    headers?: Record<string, string>;
}
export declare class Transport {
    #private;
    constructor(options: AuvyOptions);
    /** The parsed answer. Raises AUVYError. */
    json<T>(method: string, path: string, request?: Request, options?: CallOptions): Promise<T>;
    /** An answer whose body is still coming. Raises AUVYError when it is a refusal. */
    open(path: string, request: Request, options: CallOptions): Promise<Response>;
}
