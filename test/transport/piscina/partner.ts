// A process beside another, with pools of its own on the same arena: see processes.test.ts.
import cluster from 'node:cluster';
import { Piscina } from 'piscina';
import {
  type ArenaHandle,
  PayloadArena,
  runWithPayloads,
} from '../../../src/transport/piscina/index.js';
import { handlers, pattern } from './support.js';

export interface Report {
  same: boolean;
  stats: ReturnType<PayloadArena['stats']>;
}

const [handle, count, end] = process.argv.slice(2) as [string, string, string];
const arena = PayloadArena.open(JSON.parse(handle) as ArenaHandle);
const pool = new Piscina({
  filename: handlers,
  minThreads: 2,
  maxThreads: 2,
  workerData: { payloads: arena.handle },
});
const seed = cluster.worker?.id ?? process.pid;
let same = true;
await Promise.all(
  Array.from({ length: Number(count) }, async (_, i) => {
    const source = pattern(5000 + (i % 50) * 1000, seed + i);
    const back = await runWithPayloads<Buffer>(pool, arena.share(source));
    same &&= back.equals(source);
  }),
);
const held = end === 'wait' ? arena.share(pattern(100_000, seed)) : undefined;
process.send!({ same, stats: arena.stats() } satisfies Report);
if (held) {
  // Holds its part until it is killed, with a task under way.
  void runWithPayloads(pool, { bytes: held }, { name: 'spin' });
  setInterval(() => {}, 1000);
} else {
  await pool.destroy();
  arena.close();
  process.disconnect();
}
