/** Against a running server: AUVY_URL is the surface's address, AUVY_KEY a key of a workspace of its own. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Auvy, AUVYError, createStream } from '../src/index.js';
const baseUrl = process.env['AUVY_URL'] ?? '';
const apiKey = process.env['AUVY_KEY'] ?? '';
describe('against a server', { skip: baseUrl === '' ? 'AUVY_URL names no server' : false }, () => {
    let brainId = '';
    const auvy = new Auvy({ baseUrl, apiKey, getBrainId: () => brainId });
    before(async () => {
        brainId = (await auvy.brains.list())[0]?.id ?? '';
    });
    it("runs the documentation's examples as they are written", async () => {
        const neuron = await auvy.neurons.create({
            name: 'My Neuron',
            description: 'A sample neuron',
            scope: 'brain',
            neuron_config: {
                model: 'claude-haiku-4-5',
                temperature: 0.7
            },
            is_active: true
        });
        const neurons = await auvy.neurons.list({
            is_active: true
        });
        const neuronUuid = neuron.id;
        await auvy.neurons.update(neuronUuid, { name: 'Billing' });
        const rows = await auvy.neurons.list({ search: 'billing' });
        const head = await auvy.neurons.get(neuronUuid);
        const reflex = await auvy.reflexes.create({ name: 'My Reflex', type: 'sensory' });
        await auvy.neurons.addReflex(neuronUuid, reflex.id);
        assert.deepEqual(neurons.map((row) => row.name), ['my-neuron']);
        assert.deepEqual(rows.map((row) => row.id), [neuronUuid]);
        assert.equal(head.name, 'billing');
        assert.equal(head.neuron_config.model, 'claude-haiku-4-5');
        assert.equal(head.neuron_config.temperature, 0.7);
        assert.deepEqual((await auvy.neurons.listReflexes(neuronUuid)).map((one) => one.name), ['My Reflex']);
        await auvy.neurons.removeReflex(neuronUuid, reflex.id);
    });
    it('reads versions, promotes one, deletes softly, restores and removes', async () => {
        const made = await auvy.neurons.create({ name: 'Versioned', description: 'first' });
        await auvy.neurons.update(made.id, { description: 'second' });
        const versions = await auvy.neurons.listVersions(made.id);
        const first = await auvy.neurons.getVersion(made.id, 1);
        const also = await auvy.neurons.get(made.id, { version: 1 });
        const bySlug = await auvy.neurons.get('versioned');
        const promoted = await auvy.neurons.promoteVersion(made.id, 1);
        await auvy.neurons.softDelete(made.id);
        const gone = await auvy.neurons.get(made.id).catch((error) => error);
        const restored = await auvy.neurons.restore(made.id);
        await auvy.neurons.delete(made.id);
        assert.deepEqual(versions.map((row) => row.version), [2, 1]);
        assert.equal(first.description, 'first');
        assert.deepEqual(also, first);
        assert.equal(bySlug.description, 'second');
        assert.deepEqual([promoted.description, promoted.version, promoted.promoted_from], ['first', 3, 1]);
        assert.ok(gone instanceof AUVYError && gone.code === 'NOT_FOUND' && gone.status === 404);
        assert.equal(restored.version, 3);
        await assert.rejects(auvy.resources.neurons.restore(made.id), { code: 'NOT_FOUND' });
    });
    it('invokes a neuron, streams its job and goes on from a cursor', async () => {
        const reflex = await auvy.reflexes.create({ name: 'Sums', tools: [{ integration_id: 'glia', tools: ['calculator'] }] });
        const neuron = await auvy.neurons.create({ name: 'Reckoner' });
        await auvy.neurons.addReflex(neuron.id, reflex.id);
        const job = await auvy.neurons.invoke(neuron.id, { message: 'What is 17 * 23?', stream: true }, { brainId, timeoutMs: 20_000 });
        const events = [];
        for await (const event of createStream(auvy, job.job_id))
            events.push(event);
        const middle = events[1]?.cursor ?? 0;
        const rest = [];
        for await (const event of createStream(auvy, job.job_id, { after: middle }))
            rest.push(event);
        const last = events.at(-1);
        const over = [];
        for await (const event of createStream(auvy, job.job_id, { after: last?.cursor ?? 0 }))
            over.push(event);
        assert.deepEqual(rest, events.slice(2));
        assert.deepEqual(over, []);
        assert.ok(events.some((event) => event.type === 'reflex_call' && event.tool === 'calculator'));
        assert.ok(last?.type === 'complete' && last.result.message.includes('391'));
        const tokens = events.map((event) => (event.type === 'token' ? event.token : '')).join('');
        assert.ok(tokens.includes('391'));
        assert.equal((await auvy.jobs.wait(job.job_id)).status, 'completed');
        assert.equal((await auvy.traces.get(job.trace_id)).title, 'What is 17 * 23?');
        assert.equal((await auvy.traces.messages(job.trace_id)).messages[0]?.id, job.user_engram_id);
        assert.equal((await auvy.traces.list({ neuron_id: neuron.id })).total, 1);
    });
    it('tells what the server refuses', async () => {
        const stranger = new Auvy({ baseUrl, apiKey: 'ak_live_' + 'x'.repeat(40) });
        await assert.rejects(new Auvy({ baseUrl, apiKey }).neurons.list(), { code: 'VALIDATION_ERROR', status: 400 });
        await assert.rejects(stranger.brains.list(), { code: 'AUTH_REQUIRED', status: 401 });
        await assert.rejects(auvy.neurons.create({ name: ' ' }), { code: 'VALIDATION_ERROR', field: 'name' });
        await auvy.neurons.create({ name: 'Twice' });
        await assert.rejects(auvy.neurons.create({ name: 'twice' }), { code: 'CONFLICT' });
        const stream = createStream(auvy, '00000000-0000-7000-8000-000000000000');
        await assert.rejects(stream.next(), { code: 'NOT_FOUND' });
    });
    it('decides interventions, fires receptors, executes pathways and searches', async () => {
        const pathway = await auvy.pathways.create({
            name: 'Ask first',
            definition: { steps: [{ id: 'ask', kind: 'wait_approval', message: 'Go on?' }] },
        });
        const receptor = await auvy.receptors.create({ name: 'Door', pathway_id: pathway.id, slug: 'door' });
        const fired = await auvy.receptors.fire(receptor.id, { payload: { order: 7 } });
        const waiting = await auvy.jobs.wait(fired.job_id, { everyMs: 50 });
        const id = waiting.waitingFor?.intervention_ids[0] ?? '';
        const decided = await auvy.interventions.respond(id, { action: 'approve', comment: 'fine' });
        const done = await auvy.jobs.wait(fired.job_id, { everyMs: 50 });
        const found = await auvy.search('pathways/ask');
        const same = await auvy.receptors.get(receptor.workspace_slug, 'door');
        assert.equal(waiting.status, 'waiting');
        assert.equal(decided.status, 'approved');
        assert.equal(done.status, 'completed');
        assert.equal(found.results[0]?.path, 'pathways/ask-first');
        assert.equal(same.id, receptor.id);
    });
});
