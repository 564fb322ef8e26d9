/** What the server refused, or why it gave no answer. */
export type AUVYErrorCode = 'VALIDATION_ERROR' | 'AUTH_REQUIRED' | 'FORBIDDEN' | 'NOT_FOUND' | 'CONFLICT' | 'RATE_LIMIT' | 'INTERNAL_SERVER_ERROR' | 'TIMEOUT' | 'ABORTED' | 'NETWORK_ERROR' | (string & {});
export interface AUVYErrorDetails {
    status?: number;
    /** Seconds after which to try again. */
    retryAfter?: number;
    /** The field of the request at fault. */
    field?: string;
    requestId?: string;
    cause?: unknown;
}
export declare class AUVYError extends Error {
    readonly code: AUVYErrorCode;
    /** The HTTP status; undefined when no answer came. */
    readonly status: number | undefined;
    readonly retryAfter: number | undefined;
    readonly field: string | undefined;
    readonly requestId: string | undefined;
    constructor(message: string, code: AUVYErrorCode, details?: AUVYErrorDetails);
}
