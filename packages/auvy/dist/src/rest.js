/** Traces, reflexes, receptors, interventions, pathways, brains, the vault. */
const at = (id) => `/${encodeURIComponent(id)}`;
class Resource {
    transport;
    constructor(transport) {
        this.transport = transport;
    }
}
export class Traces extends Resource {
    list(query = {}, options) {
        return this.transport.json('GET', '/v1/traces', { query }, options);
    }
    get(id, options) {
        return this.transport.json('GET', `/v1/traces${at(id)}`, {}, options);
    }
    /** What was said, oldest first. */
    messages(id, query = {}, options) {
        return this.transport.json('GET', `/v1/traces${at(id)}/messages`, { query }, options);
    }
}
export class Reflexes extends Resource {
    list(query = {}, options) {
        return this.transport.json('GET', '/v1/reflexes', { query }, options);
    }
    get(id, options) {
        return this.transport.json('GET', `/v1/reflexes${at(id)}`, {}, options);
    }
    create(input, options) {
        return this.transport.json('POST', '/v1/reflexes', { body: input }, options);
    }
    update(id, changes, options) {
        return this.transport.json('PATCH', `/v1/reflexes${at(id)}`, { body: changes }, options);
    }
    delete(id, options) {
        return this.transport.json('DELETE', `/v1/reflexes${at(id)}`, {}, options);
    }
}
export class Receptors extends Resource {
    list(query = {}, options) {
        return this.transport.json('GET', '/v1/receptors', { query }, options);
    }
    create(input, options) {
        return this.transport.json('POST', '/v1/receptors', { body: input }, options);
    }
    get(workspaceSlug, slugOrId, options) {
        return this.transport.json('GET', `/v1/receptors${at(workspaceSlug)}${at(slugOrId)}`, {}, options);
    }
    update(workspaceSlug, slugOrId, changes, options) {
        return this.transport.json('PATCH', `/v1/receptors${at(workspaceSlug)}${at(slugOrId)}`, { body: changes }, options);
    }
    delete(workspaceSlug, slugOrId, options) {
        return this.transport.json('DELETE', `/v1/receptors${at(workspaceSlug)}${at(slugOrId)}`, {}, options);
    }
    fire(id, input = {}, options) {
        return this.transport.json('POST', `/v1/receptors${at(id)}/fire`, { body: input }, options);
    }
    /** A public link; one that was given out before ends. */
    share(id, options) {
        return this.transport.json('POST', `/v1/receptors${at(id)}/share`, {}, options);
    }
    unshare(id, options) {
        return this.transport.json('DELETE', `/v1/receptors${at(id)}/share`, {}, options);
    }
}
export class Interventions extends Resource {
    list(query = {}, options) {
        return this.transport.json('GET', '/v1/interventions', { query }, options);
    }
    get(id, options) {
        return this.transport.json('GET', `/v1/interventions${at(id)}`, {}, options);
    }
    respond(id, body, options) {
        return this.transport.json('POST', `/v1/interventions${at(id)}/respond`, { body }, options);
    }
}
export class Pathways extends Resource {
    list(query = {}, options) {
        return this.transport.json('GET', '/v1/pathways', { query }, options);
    }
    get(id, options) {
        return this.transport.json('GET', `/v1/pathways${at(id)}`, {}, options);
    }
    create(input, options) {
        return this.transport.json('POST', '/v1/pathways', { body: input }, options);
    }
    update(id, changes, options) {
        return this.transport.json('PATCH', `/v1/pathways${at(id)}`, { body: changes }, options);
    }
    delete(id, options) {
        return this.transport.json('DELETE', `/v1/pathways${at(id)}`, {}, options);
    }
    execute(id, body = {}, options) {
        return this.transport.json('POST', `/v1/pathways${at(id)}/execute`, { body }, options);
    }
}
export class Brains extends Resource {
    list(options) {
        return this.transport.json('GET', '/v1/brains', {}, options);
    }
    get(id, options) {
        return this.transport.json('GET', `/v1/brains${at(id)}`, {}, options);
    }
    create(input, options) {
        return this.transport.json('POST', '/v1/brains', { body: input }, options);
    }
}
export class Vault extends Resource {
    list(query = {}, options) {
        return this.transport.json('GET', '/v1/vault', { query }, options);
    }
    add(input, options) {
        return this.transport.json('POST', '/v1/vault/documents', { body: input }, options);
    }
    get(id, options) {
        return this.transport.json('GET', `/v1/vault/documents${at(id)}`, {}, options);
    }
    delete(id, options) {
        return this.transport.json('DELETE', `/v1/vault/documents${at(id)}`, {}, options);
    }
}
