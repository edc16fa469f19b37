import { Piscina } from 'piscina';
import { PayloadArena, runWithPayloads } from '../../src/transport/piscina/index.js';
import { sibling } from '../support/processes.js';
import { check, closes, type Operation, OperationTable } from './operation.js';

const table = new OperationTable();
const { add } = table;

add({
  name: 'PayloadArena.create',
  act: () => PayloadArena.create({ bytes: 65_536 }),
  ...closes,
});
add({
  name: 'PayloadArena.open',
  prepare: () => PayloadArena.create({ bytes: 65_536, parts: 2 }),
  act: arena => PayloadArena.open(arena.handle),
  ...closes,
  dispose: arena => arena.close(),
});
add({
  name: 'arena.share, and close',
  prepare: () => PayloadArena.create({ bytes: 65_536 }),
  act(arena) {
    const payload = arena.share(Buffer.alloc(1000, 1));
    payload.release();
    arena.close();
  },
  dispose: arena => arena.close(),
  isOnce: true,
});

let pool: Piscina | undefined;
add({
  name: 'runWithPayloads',
  prepare: () => PayloadArena.create({ bytes: 1 << 20 }),
  async act(arena) {
    const payload = arena.share(Buffer.alloc(1000, 1));
    const filename = sibling(import.meta.url, './handler.js');
    pool = new Piscina({ filename, workerData: { payloads: arena.handle }, maxThreads: 1 });
    const result: unknown = await runWithPayloads(pool, payload);
    check((result as Uint8Array).length === 1000, 'another result');
  },
  async dispose(arena) {
    await pool?.destroy();
    pool = undefined;
    arena.close();
  },
  isOnce: true,
});

export const payloadOperations: readonly Operation[] = table.all;
