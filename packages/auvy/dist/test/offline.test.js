/** What the client does when servers and networks are not as they should be: against a small server of its own. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { describe, it } from 'node:test';
import { Auvy, AUVYError, createStream } from '../src/index.js';
async function served(answer, use) {
    const server = createServer(answer);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    try {
        await use(new Auvy({ baseUrl: `http://127.0.0.1:${port}/`, apiKey: async () => 'ak_live_x', getBrainId: () => 'b' }));
    }
    finally {
        server.closeAllConnections();
        server.close();
    }
}
const event = (id, data) => `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
async function all(events) {
    const found = [];
    for await (const one of events)
        found.push(one);
    return found;
}
describe('requests', () => {
    it('send the credential, the brain and only the given parameters', async () => {
        const seen = [];
        const answer = (request, response) => {
            seen.push(request.url, request.headers.authorization, String(request.headers['x-brain-id']));
            response.end('[]');
        };
        await served(answer, async (auvy) => {
            await auvy.neurons.list({ search: 'a b', limit: 3 }, { brainId: 'other' });
            await auvy.neurons.list();
        });
        assert.deepEqual(seen, [
            '/v1/resources/neurons?search=a+b&limit=3', 'Bearer ak_live_x', 'other',
            '/v1/resources/neurons', 'Bearer ak_live_x', 'b',
        ]);
    });
    it('end with TIMEOUT and ABORTED', async () => {
        await served(() => undefined, async (auvy) => {
            const stop = new AbortController();
            setTimeout(() => stop.abort(), 20);
            await assert.rejects(auvy.jobs.get('1', { timeoutMs: 20 }), { code: 'TIMEOUT' });
            await assert.rejects(auvy.jobs.get('1', { signal: stop.signal }), { code: 'ABORTED' });
        });
        await assert.rejects(new Auvy({ baseUrl: 'http://127.0.0.1:9', apiKey: '' }).brains.list(), { code: 'NETWORK_ERROR' });
    });
    it('carry what a refusal says, also when it is no JSON', async () => {
        const bodies = ['{"message":"Slow down.","code":"RATE_LIMIT","retryAfter":7}', '<html>'];
        await served((_request, response) => { response.writeHead(429).end(bodies.shift()); }, async (auvy) => {
            await assert.rejects(auvy.brains.list(), { code: 'RATE_LIMIT', message: 'Slow down.', retryAfter: 7, status: 429 });
            await assert.rejects(auvy.brains.list(), { code: 'INTERNAL_SERVER_ERROR', status: 429 });
        });
    });
});
describe('streams', () => {
    it('go on behind the last event when the line breaks', async () => {
        const cursors = [];
        const answer = (request, response) => {
            cursors.push(request.headers['last-event-id']);
            response.writeHead(200, { 'Content-Type': 'text/event-stream' });
            if (cursors.length === 1) {
                response.write(': ping\n\n' + event(4, { type: 'token', token: 'a' }) + 'id: 5\ndata: {"ty');
                setTimeout(() => response.destroy(), 10);
            }
            else {
                response.end(event(5, { type: 'token', token: 'b' }) + event(6, { type: 'complete', status: 'completed' }));
            }
        };
        await served(answer, async (auvy) => {
            const events = await all(createStream(auvy, 'j', { reconnectDelayMs: 1 }));
            assert.deepEqual(events.map((one) => one.cursor), [4, 5, 6]);
            assert.deepEqual(cursors, [undefined, '4']);
        });
    });
    it('take silence for a broken line, and give up in the end', async () => {
        let lines = 0;
        const answer = (_request, response) => {
            lines += 1;
            response.writeHead(200).write(': ping\n\n');
        };
        await served(answer, async (auvy) => {
            const options = { idleTimeoutMs: 20, maxReconnects: 2, reconnectDelayMs: 1 };
            await assert.rejects(all(createStream(auvy, 'j', options)), { code: 'NETWORK_ERROR' });
            assert.equal(lines, 3);
        });
    });
    it('end when their signal says so', async () => {
        await served((_request, response) => { response.writeHead(200).write(event(1, { type: 'token', token: 'a' })); }, async (auvy) => {
            const stop = new AbortController();
            const events = createStream(auvy, 'j', { signal: stop.signal });
            await events.next();
            setTimeout(() => stop.abort(), 10);
            await assert.rejects(events.next(), (error) => error instanceof AUVYError && error.code === 'ABORTED');
        });
    });
    it('do not try again what was refused', async () => {
        let asked = 0;
        await served((_request, response) => { asked += 1; response.writeHead(404).end('{"message":"No.","code":"NOT_FOUND"}'); }, async (auvy) => {
            await assert.rejects(all(createStream(auvy, 'j')), { code: 'NOT_FOUND' });
            assert.equal(asked, 1);
        });
    });
});
