/** The client: one object, one namespace for each kind of thing. */
import { keepTransport } from './internal.js';
import { Jobs } from './jobs.js';
import { NeuronResources, Neurons } from './neurons.js';
import { Brains, Interventions, Pathways, Receptors, Reflexes, Traces, Vault } from './rest.js';
import { Transport } from './transport.js';
export class Auvy {
    neurons;
    resources;
    jobs;
    traces;
    reflexes;
    receptors;
    interventions;
    pathways;
    brains;
    vault;
    #transport;
    constructor(options) {
        const transport = new Transport(options);
        const resources = new NeuronResources(transport);
        this.#transport = transport;
        this.neurons = new Neurons(transport, resources);
        this.resources = { neurons: resources };
        this.jobs = new Jobs(transport);
        this.traces = new Traces(transport);
        this.reflexes = new Reflexes(transport);
        this.receptors = new Receptors(transport);
        this.interventions = new Interventions(transport);
        this.pathways = new Pathways(transport);
        this.brains = new Brains(transport);
        this.vault = new Vault(transport);
        keepTransport(this, transport);
    }
    /** Things by name: `neurons/billing`, or words for all kinds of things. */
    search(query, options = {}) {
        const { limit, ...call } = options;
        return this.#transport.json('POST', '/v1/search', { body: { query, ...(limit === undefined ? {} : { limit }) } }, call);
    }
}
export function createAuvy(options) {
    return new Auvy(options);
}
