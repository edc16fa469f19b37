// The cluster worker: takes chunks in, has its threads hash them, sends the digests back.
import cluster from 'node:cluster';
import { Piscina } from 'piscina';
import { Ring } from '../../src/index.js';
import type { HashTask } from './hash-task.js';
import { chunkBytes, encodeResult, type Job, tasks, threads } from './protocol.js';
import type { Algorithm } from './tag.js';

const job = JSON.parse(process.env.HASH_FILE_JOB ?? '{}') as Job;
const filename = new URL('./hash-task.js', import.meta.url).href;

const primary = process.ppid; // asked later, the kernel would name the adoptive parent

function onPrimaryGone(): void {
  if (!finished) fail(new Error(`the primary (process ${primary}) died`));
}
// Before cluster's own listener, which would exit silently.
process.prependListener('disconnect', onPrimaryGone);
// Or this way, if a message to it was under way at that moment.
cluster.worker!.on('error', onPrimaryGone);
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

let finished = false;
try {
  if (job.transport === 'shared-memory') await throughRings();
  else await throughMessages();
} catch (error) {
  fail(error);
}

async function throughRings(): Promise<void> {
  const ring = Ring.open(job.chunks!);
  const chunks = ring.consumer();
  const results = Ring.open(job.results!).producer();
  const pool = await startPool({ memory: ring.buffer, algorithm: job.algorithm });
  tell('ready');

  const total = Math.ceil(job.length / chunkBytes);
  const running = new Set<Promise<void>>();
  for (let index = 0; ;) {
    const chunk = running.size < tasks ? chunks.borrow() : null;
    if (chunk) {
      // The chunk stays where it is; the task only says where.
      const number = index++ % total;
      const { offset, length } = chunk;
      const task = hash(pool, { offset, length }).then(digest => {
        chunk.release();
        running.delete(task);
        results.writeSync(encodeResult(number, digest));
      });
      running.add(task);
    } else if (running.size > 0) {
      await Promise.race(running);
    } else if (!chunks.waitSync()) {
      break;
    }
  }
  results.end();
  finished = true;
  await pool.destroy();
  process.disconnect();
}

/** The same with what Node has: a message per chunk, cloned once more into the pool. */
async function throughMessages(): Promise<void> {
  const pool = await startPool({ algorithm: job.algorithm });
  process.on('message', (message: { index: number; chunk: Uint8Array } | 'end') => {
    if (message === 'end') {
      finished = true;
      void pool.destroy().then(() => process.disconnect());
      return;
    }
    hash(pool, message.chunk)
      .then(digest => tell({ index: message.index, digest }))
      .catch(fail);
  });
  tell('ready');
}

/** A pool whose threads run already, so that their start is not part of what is timed. */
async function startPool(data: { memory?: SharedArrayBuffer; algorithm: Algorithm }) {
  const pool = new Piscina({
    filename,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: tasks / threads,
    workerData: data,
  });
  await Promise.all(Array.from({ length: tasks }, () => hash(pool, new Uint8Array(chunkBytes))));
  return pool;
}

/** A message that cannot be sent is ignored here: the channel's end is reported by itself. */
function tell(message: unknown): void {
  process.send!(message, undefined, undefined, () => {});
}

function hash(pool: Piscina, task: HashTask): Promise<Uint8Array> {
  return pool.run(task) as Promise<Uint8Array>;
}

function fail(error: unknown): never {
  console.error(`hash-file worker: ${(error as Error).message}`);
  process.exit(1);
}
