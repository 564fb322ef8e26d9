export { Auvy, createAuvy } from './client.js';
export { AUVYError } from './errors.js';
export { Jobs } from './jobs.js';
export { NeuronResources, Neurons } from './neurons.js';
export { createStream } from './stream.js';
