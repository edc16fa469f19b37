/**
 * Makes `process.send`, `subprocess.send` and `worker.send` of `node:cluster` faster, with no change
 * of code: what two processes that have both loaded this send each other goes through shared
 * memory. What a program can see stays as it is.
 *
 * @example
 * node --import mmap-transport/auto app.js
 * node -r mmap-transport/auto app.js
 * import 'mmap-transport/auto'; // first
 *
 * @module
 */
import { isMainThread } from 'node:worker_threads';
import { hookProcess } from './child-side.js';
import { hookChildren } from './parent-side.js';
import { makePreloadsAbsolute } from './preload-arguments.js';

/** Of a process: two copies of this package must not both be in the way of its messages. */
const mark = Symbol.for('mmap-transport/auto');

if (isMainThread && process.env.MMAP_TRANSPORT_AUTO !== '0' && !Object.hasOwn(process, mark)) {
  Object.defineProperty(process, mark, { value: true });
  makePreloadsAbsolute(import.meta.url);
  hookProcess();
  hookChildren();
}
