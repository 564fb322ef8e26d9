/** Requests: credentials, the brain, timeouts, errors. */
import { AUVYError } from './errors.js';
const USUAL_TIMEOUT_MS = 60_000;
export class Transport {
    #options;
    #base;
    #fetch;
    constructor(options) {
        this.#options = options;
        this.#base = options.baseUrl.replace(/\/+$/, '');
        this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    }
    /** The parsed answer. Raises AUVYError. */
    async json(method, path, request = {}, options = {}) {
        const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? USUAL_TIMEOUT_MS;
        const { signal, done } = limited(options.signal, timeoutMs);
        try {
            const response = await this.#send(method, path, request, options, signal);
            const text = await response.text();
            return (text ? JSON.parse(text) : undefined);
        }
        catch (error) {
            throw explained(error, options.signal, signal, timeoutMs);
        }
        finally {
            done();
        }
    }
    /** An answer whose body is still coming. Raises AUVYError when it is a refusal. */
    async open(path, request, options) {
        try {
            return await this.#send('GET', path, request, options, options.signal);
        }
        catch (error) {
            throw explained(error, options.signal, undefined, 0);
        }
    }
    async #send(method, path, request, options, signal) {
        const response = await this.#fetch(this.#base + path + queryOf(request.query), {
            method,
            headers: await this.#headers(request, options),
            ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
            ...(signal === undefined ? {} : { signal }),
        });
        if (!response.ok)
            throw await refusal(response);
        return response;
    }
    async #headers(request, options) {
        const { apiKey, getBrainId } = this.#options;
        const brainId = options.brainId ?? (await getBrainId?.());
        return {
            Authorization: `Bearer ${typeof apiKey === 'function' ? await apiKey() : apiKey}`,
            Accept: 'application/json',
            ...(request.body === undefined ? {} : { 'Content-Type': 'application/json' }),
            ...(brainId ? { 'X-Brain-Id': brainId } : {}),
            ...(options.idempotencyKey ? { 'Idempotency-Key': options.idempotencyKey } : {}),
            ...request.headers,
        };
    }
}
function queryOf(query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return text ? `?${text}` : '';
}
/** A signal that fires with the caller's, or after a time. `done` lets go of both. */
function limited(outer, timeoutMs) {
    const controller = new AbortController();
    const abort = () => controller.abort();
    if (outer?.aborted)
        abort();
    outer?.addEventListener('abort', abort, { once: true });
    const timer = timeoutMs > 0 ? setTimeout(abort, timeoutMs) : undefined;
    const done = () => {
        clearTimeout(timer);
        outer?.removeEventListener('abort', abort);
    };
    return { signal: controller.signal, done };
}
function explained(error, outer, signal, timeoutMs) {
    if (error instanceof AUVYError)
        return error;
    if (outer?.aborted)
        return new AUVYError('The request was aborted.', 'ABORTED', { cause: error });
    if (signal?.aborted)
        return new AUVYError(`No answer came within ${timeoutMs} ms.`, 'TIMEOUT', { cause: error });
    const said = error instanceof Error ? error.message : String(error);
    return new AUVYError(`The server gave no answer: ${said}.`, 'NETWORK_ERROR', { cause: error });
}
async function refusal(response) {
    const body = await errorBody(response);
    const retryAfter = body.retryAfter ?? Number(response.headers.get('retry-after') ?? Number.NaN);
    return new AUVYError(body.message ?? `The server answered with status ${response.status}.`, body.code ?? 'INTERNAL_SERVER_ERROR', {
        status: response.status,
        ...(Number.isFinite(retryAfter) ? { retryAfter } : {}),
        ...(body.field === undefined ? {} : { field: body.field }),
        ...(body.requestId === undefined ? {} : { requestId: body.requestId }),
    });
}
async function errorBody(response) {
    try {
        const parsed = await response.json();
        return typeof parsed === 'object' && parsed !== null ? parsed : {};
    }
    catch {
        return {}; // something between us and the server answered
    }
}
