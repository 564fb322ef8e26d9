/** What the server refused, or why it gave no answer. */
export class AUVYError extends Error {
    code;
    /** The HTTP status; undefined when no answer came. */
    status;
    retryAfter;
    field;
    requestId;
    constructor(message, code, details = {}) {
        super(message, details.cause === undefined ? undefined : { cause: details.cause });
        this.name = 'AUVYError';
        this.code = code;
        this.status = details.status;
        this.retryAfter = details.retryAfter;
        this.field = details.field;
        this.requestId = details.requestId;
    }
}
