import { createRequire } from 'node:module';

type Traffic = typeof import('./ring-traffic.js');

/** `npm run setup` makes it beside the bundle of the hooks. */
const bundle = './ring-traffic.cjs';

/**
 * Loads what shared memory needs, most of this package. At once, where that can be: by `import` it
 * would take turns of an event loop that is busy with messages.
 */
export async function loadTraffic(): Promise<Traffic> {
  try {
    return createRequire(import.meta.url)(bundle) as Traffic;
  } catch {
    return await import('./ring-traffic.js'); // this file is not in our bundle
  }
}
