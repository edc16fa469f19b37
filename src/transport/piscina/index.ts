/**
 * Large payloads for the tasks of a Piscina pool, in shared memory instead of cloned.
 *
 * @category Reference
 * @module mmap-transport/piscina
 */
export {
  type ArenaHandle,
  type ArenaOptions,
  type ArenaStats,
  PayloadArena,
  type ShareOptions,
} from './arena.js';
export type { Borrowed } from './borrowed.js';
export type { Payload } from './payload.js';
export { type PayloadContext, payloadTask } from './payload-task.js';
export { type PayloadRunOptions, type Pool, runWithPayloads } from './run-with-payloads.js';
