/** Jobs: how runs stand, and waiting for them. */
import { AUVYError } from './errors.js';
const OVER = new Set(['completed', 'failed', 'cancelled']);
export class Jobs {
    #transport;
    constructor(transport) {
        this.#transport = transport;
    }
    list(query = {}, options) {
        return this.#transport.json('GET', '/v1/jobs', { query }, options);
    }
    get(id, options) {
        return this.#transport.json('GET', `/v1/jobs/${encodeURIComponent(id)}`, {}, options);
    }
    status(id, options) {
        return this.#transport.json('GET', `/v1/jobs/${encodeURIComponent(id)}/status`, {}, options);
    }
    cancel(id, options) {
        return this.#act(id, 'cancel', {}, options);
    }
    resume(id, body = {}, options) {
        return this.#act(id, 'resume', body, options);
    }
    input(id, body, options) {
        return this.#act(id, 'input', body, options);
    }
    /** Asks until the job is over, or waits for a person or a budget. `timeoutMs` is for each request. */
    async wait(id, options = {}) {
        const { everyMs = 500, ...call } = options;
        for (;;) {
            const job = await this.get(id, call);
            if (OVER.has(job.status) || job.status === 'waiting' || job.status === 'paused')
                return job;
            await pause(everyMs, call.signal);
        }
    }
    #act(id, verb, body, options) {
        return this.#transport.json('POST', `/v1/jobs/${encodeURIComponent(id)}/${verb}`, { body }, options);
    }
}
/** Raises AUVYError when the signal fires meanwhile. */
export function pause(ms, signal) {
    return new Promise((resolve, reject) => {
        const stop = () => {
            clearTimeout(timer);
            reject(new AUVYError('The request was aborted.', 'ABORTED'));
        };
        const timer = setTimeout(() => {
            signal?.removeEventListener('abort', stop);
            resolve();
        }, ms);
        if (signal?.aborted)
            stop();
        signal?.addEventListener('abort', stop, { once: true });
    });
}
