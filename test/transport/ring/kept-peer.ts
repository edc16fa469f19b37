import { Ring, type RingHandle } from '../../../src/index.js';

/** Opens the ring of a handle, and closes it when told. */
const ring = Ring.open(JSON.parse(process.argv[2]!) as RingHandle);
process.once('message', () => {
  ring.close();
  process.disconnect();
});
process.send!('open');
