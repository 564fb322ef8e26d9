/** Neurons: reads by UUID go to the catalogue, everything else to the vertical routes. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const at = (...parts) => parts.map((part) => `/${encodeURIComponent(String(part))}`).join('');
/** The catalogue of the workspace: `/v1/resources/neurons`. */
export class NeuronResources {
    transport;
    constructor(transport) {
        this.transport = transport;
    }
    list(query = {}, options) {
        return this.transport.json('GET', '/v1/resources/neurons', { query }, options);
    }
    /** The head, by its UUID. */
    get(id, options) {
        return this.transport.json('GET', `/v1/resources/neurons${at(id)}`, {}, options);
    }
    /** Rows of the versions, newest first. */
    history(id, options) {
        return this.transport.json('GET', `/v1/resources/neurons${at(id)}/history`, {}, options);
    }
    getVersion(id, version, options) {
        return this.transport.json('GET', `/v1/resources/neurons${at(id)}/versions${at(version)}`, {}, options);
    }
    promoteVersion(id, version, options) {
        return this.transport.json('POST', `/v1/resources${at(id)}/versions${at(version)}/promote`, {}, options);
    }
    /** Out of sight, until it is restored. */
    delete(id, options) {
        return this.transport.json('DELETE', `/v1/resources/neurons${at(id)}`, {}, options);
    }
    restore(id, options) {
        return this.transport.json('POST', `/v1/resources/neurons${at(id)}/restore`, {}, options);
    }
}
export class Neurons {
    #transport;
    #resources;
    constructor(transport, resources) {
        this.#transport = transport;
        this.#resources = resources;
    }
    list(query = {}, options) {
        return this.#resources.list(query, options);
    }
    /** By UUID or slug, as it is now or at an older version. */
    get(segment, options = {}) {
        const { version, ...call } = options;
        if (version === undefined && UUID.test(segment))
            return this.#resources.get(segment, call);
        return this.#transport.json('GET', `/v1/neurons${at(segment)}`, { query: { version } }, call);
    }
    create(input, options) {
        return this.#transport.json('POST', '/v1/neurons', { body: input }, options);
    }
    /** What is given changes; of `neuron_config`, too, what is not given stays. */
    update(id, changes, options) {
        return this.#transport.json('PUT', `/v1/neurons${at(id)}`, { body: changes }, options);
    }
    /** For good. `softDelete` can be undone. */
    delete(id, options) {
        return this.#transport.json('DELETE', `/v1/neurons${at(id)}`, {}, options);
    }
    softDelete(id, options) {
        return this.#resources.delete(id, options);
    }
    restore(id, options) {
        return this.#resources.restore(id, options);
    }
    listVersions(id, options) {
        return this.#resources.history(id, options);
    }
    getVersion(id, version, options) {
        return this.#resources.getVersion(id, version, options);
    }
    promoteVersion(id, version, options) {
        return this.#transport.json('POST', `/v1/neurons${at(id)}/versions${at(version)}/promote`, {}, options);
    }
    /** Begins a job. Follow it with `createStream`, or wait for it with `jobs.wait`. */
    invoke(id, body, options) {
        return this.#transport.json('POST', `/v1/neurons${at(id)}/invoke`, { body }, options);
    }
    listReflexes(id, options) {
        return this.#transport.json('GET', `/v1/neurons${at(id)}/reflexes`, {}, options);
    }
    addReflex(id, reflexId, options) {
        return this.#transport.json('POST', `/v1/neurons${at(id)}/reflexes`, { body: { reflex_id: reflexId } }, options);
    }
    removeReflex(id, reflexId, options) {
        return this.#transport.json('DELETE', `/v1/neurons${at(id)}/reflexes${at(reflexId)}`, {}, options);
    }
}
