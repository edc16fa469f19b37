// What the pool's threads do. Also used without a pool, to compare.
import { gzipSync } from 'node:zlib';
import { payloadTask } from '../../src/transport/piscina/index.js';

export const compress = (chunk: Uint8Array): Buffer => gzipSync(chunk, { level: 6 });

export default payloadTask(compress);
