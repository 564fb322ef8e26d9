/** Lets the package's own functions at a client's transport, which nobody else needs. */
const transports = new WeakMap();
export function keepTransport(auvy, transport) {
    transports.set(auvy, transport);
}
export function transportOf(auvy) {
    const found = transports.get(auvy);
    if (found === undefined)
        throw new TypeError('This is no Auvy client.');
    return found;
}
