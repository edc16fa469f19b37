import { payloadTask } from '../../src/transport/piscina/index.js';

/** Gives back what it is given. */
export default payloadTask((payload: Uint8Array) => payload);
