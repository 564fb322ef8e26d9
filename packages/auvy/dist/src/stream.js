/** A job's events as they come. A line that breaks is taken up again behind the last event that was seen. */
import { AUVYError } from './errors.js';
import { pause } from './jobs.js';
import { transportOf } from './internal.js';
const LONGEST_PAUSE_MS = 5_000;
/** Ends after `complete` or `error`. Raises AUVYError when the server refuses, or cannot be reached any more. */
export async function* createStream(auvy, jobId, options = {}) {
    const transport = transportOf(auvy);
    const { maxReconnects = 10, reconnectDelayMs = 250 } = options;
    let cursor = options.after;
    let failures = 0;
    for (;;) {
        try {
            for await (const event of connected(transport, jobId, cursor, options)) {
                failures = 0;
                cursor = event.cursor;
                yield event;
                if (event.type === 'complete' || event.type === 'error')
                    return;
            }
            // A line that ends in good order without a last event: everything up to the cursor was the end already.
            if (failures === 0 && cursor !== undefined && (await isOver(auvy, jobId, options)))
                return;
        }
        catch (error) {
            if (!isPassing(error) || failures >= maxReconnects)
                throw error;
        }
        if (failures >= maxReconnects)
            throw new AUVYError('The stream broke off again and again.', 'NETWORK_ERROR');
        await pause(Math.min(reconnectDelayMs * 2 ** failures, LONGEST_PAUSE_MS), options.signal);
        failures += 1;
    }
}
async function isOver(auvy, jobId, options) {
    const { status } = await auvy.jobs.get(jobId, callOf(options));
    return status === 'completed' || status === 'failed' || status === 'cancelled';
}
/** Whether trying again may help. */
function isPassing(error) {
    if (!(error instanceof AUVYError) || error.code === 'ABORTED')
        return false;
    return error.status === undefined || error.status === 429 || error.status >= 500;
}
function callOf(options) {
    return {
        ...(options.brainId === undefined ? {} : { brainId: options.brainId }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
}
async function* connected(transport, jobId, cursor, options) {
    const headers = { Accept: 'text/event-stream', ...(cursor === undefined ? {} : { 'Last-Event-ID': String(cursor) }) };
    const path = `/v1/jobs/${encodeURIComponent(jobId)}/stream`;
    const response = await transport.open(path, { headers }, callOf(options));
    if (response.body === null)
        return;
    for await (const frame of frames(response.body, options)) {
        const event = read(frame);
        if (event !== undefined)
            yield event;
    }
}
/** The parts of an event stream between blank lines. */
async function* frames(body, options) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = '';
    try {
        for (;;) {
            const { done, value } = await within(reader.read(), options);
            if (done)
                return;
            rest += decoder.decode(value, { stream: true });
            const parts = rest.split(/\r?\n\r?\n/);
            rest = parts.pop() ?? '';
            yield* parts;
        }
    }
    finally {
        await reader.cancel().catch(() => undefined);
    }
}
async function within(reading, options) {
    const { idleTimeoutMs = 45_000, signal } = options;
    let timer;
    const silence = new Promise((_resolve, reject) => {
        timer = setTimeout(() => reject(new AUVYError('The stream fell silent.', 'NETWORK_ERROR')), idleTimeoutMs);
    });
    try {
        return await Promise.race([reading, silence]);
    }
    catch (error) {
        if (signal?.aborted)
            throw new AUVYError('The stream was aborted.', 'ABORTED', { cause: error });
        if (error instanceof AUVYError)
            throw error;
        throw new AUVYError('The stream broke off.', 'NETWORK_ERROR', { cause: error });
    }
    finally {
        clearTimeout(timer);
        reading.catch(() => undefined); // it may still fail after the silence was noticed
    }
}
/** Comments and fields that are not ours give nothing. */
function read(frame) {
    let id;
    const data = [];
    for (const line of frame.split(/\r?\n/)) {
        if (line.startsWith('id:'))
            id = Number(line.slice(3).trim());
        else if (line.startsWith('data:'))
            data.push(line.slice(5).replace(/^ /, ''));
    }
    if (id === undefined || data.length === 0)
        return undefined;
    return { cursor: id, ...JSON.parse(data.join('\n')) };
}
