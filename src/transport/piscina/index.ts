export {
  type ArenaHandle,
  type ArenaOptions,
  type ArenaStats,
  PayloadArena,
  type ShareOptions,
} from './arena.js';
export type { Borrowed } from './loan.js';
export type { Payload } from './payload.js';
export { type PayloadRunOptions, type Pool, runWithPayloads } from './pool.js';
export { type PayloadContext, payloadTask } from './task.js';
