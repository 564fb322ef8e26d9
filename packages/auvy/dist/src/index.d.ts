export { Auvy, createAuvy } from './client.js';
export { AUVYError, type AUVYErrorCode, type AUVYErrorDetails } from './errors.js';
export { Jobs, type WaitOptions } from './jobs.js';
export { NeuronResources, Neurons, type GetOptions } from './neurons.js';
export { createStream, type StreamOptions } from './stream.js';
export type { AuvyOptions, CallOptions } from './transport.js';
export type * from './types.js';
