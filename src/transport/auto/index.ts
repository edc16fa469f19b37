/**
 * Makes `process.send`, `subprocess.send` and `worker.send` of `node:cluster` faster, with no change
 * of code: what two processes that have both loaded this send each other goes through shared
 * memory. What a program can see stays as it is.
 *
 * `MMAP_TRANSPORT_AUTO=0` switches it off; another number is that of the messages after which a
 * child asks for shared memory (24).
 *
 * By `node -r mmap-transport/auto app.js`, by `node --import mmap-transport/auto app.js`, or:
 *
 * @example
 * import 'mmap-transport/auto'; // before anything else
 *
 * @category Reference
 * @module mmap-transport/auto
 */
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';

type Install = typeof import('./install.js');

/** `npm run setup` makes it: what lies in this folder, in two files. */
const bundle = '../../bundle/install.cjs';

if (isMainThread && process.env.MMAP_TRANSPORT_AUTO !== '0') {
  // At once: between the turns of the event loop in which Node loads modules by `import`, a cluster
  // worker would lose messages that come before its program has a listener for them. And from a
  // bundle of ours: the seventy files that it is made of take several times as long.
  try {
    const require = createRequire(import.meta.url);
    (require(bundle) as Install).install(import.meta.url);
  } catch {
    // This file is itself a part of somebody's bundle.
    void import('./install.js').then(({ install }) => install(import.meta.url));
  }
}
