/*
 * Worker threads that use everything that is native, terminated at random moments. The process must
 * live, and nothing may be left of them: no descriptor, no file.
 *
 *   node dist/test/soak/terminate-soak.js [--workers 2000] [--at-once 4] [--plain]
 *
 * With --plain the threads use Node alone, to see what Node itself does in the same place.
 */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { reap } from '../../src/index.js';

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '2000' },
    'at-once': { type: 'string', default: '4' },
    plain: { type: 'boolean', default: false },
  },
});
const count = Number(values.workers);
const script = fileURLToPath(new URL('./terminate-soak-worker.js', import.meta.url));
const shared = process.platform === 'linux' ? '/dev/shm' : tmpdir();
const directory = mkdtempSync(join(shared, 'mmap-transport-soak-'));
process.env.MMAP_TRANSPORT_DIR = directory;
const descriptors = () =>
  process.platform === 'linux' ? readdirSync('/proc/self/fd').length : Number.NaN;

const start = (turn: number) => new Worker(script, { workerData: { plain: values.plain, turn } });

let started = 0;
async function terminateSome(): Promise<void> {
  while (started < count) {
    const worker = start(started++);
    worker.on('error', (error: Error) => {
      console.error('a thread failed:', error);
      process.exit(1);
    });
    const exited = once(worker, 'exit');
    await Promise.race([once(worker, 'message'), exited]);
    await delay(Math.random() * 20);
    await worker.terminate();
    await exited;
  }
}

const begin = performance.now();
// Once before, for what Node itself opens with its first thread.
const warm = start(0);
await once(warm, 'message');
await warm.terminate();
const before = descriptors();
await Promise.all(Array.from({ length: Number(values['at-once']) }, terminateSome));
const left = descriptors() - before;
// One that ended between the making of a file and its mapping left what a killed process leaves.
reap();
const files = readdirSync(directory);
rmSync(directory, { recursive: true });
console.log(
  `Node ${process.versions.node}: ${count} threads terminated in ` +
    `${((performance.now() - begin) / 1000).toFixed(0)} s; descriptors left: ${left || 0}, ` +
    `files left: ${files.length}`,
);
if (left > 0 || files.length > 0) process.exitCode = 1;
