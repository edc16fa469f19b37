// Makes an arena and waits to be killed; as a pool's thread, takes part in one.
import { isMainThread } from 'node:worker_threads';
import { type ArenaHandle, PayloadArena } from '../../../src/transport/piscina/index.js';

const kept: PayloadArena[] = [];

/** Holds a part until the thread ends. */
export function takePart(handle: ArenaHandle): number {
  const arena = PayloadArena.open(handle);
  kept.push(arena);
  arena.share(new Uint8Array(100));
  return arena.stats().fallbacks;
}

if (isMainThread) {
  const arena = PayloadArena.create({ bytes: 1 << 20 });
  arena.share(new Uint8Array(100));
  process.send!(arena.handle);
  setInterval(() => kept.push(arena), 60_000);
}
