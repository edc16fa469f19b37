// npm start [-- FILE] [-- --hash sha256]: carries a real file from the primary to a cluster worker and its
// Piscina threads, through shared memory and, for comparison, through process.send.
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { type MapFile, openFile, reap, Ring } from '../../src/index.js';
import { chunkBytes, FileDigest, type Job } from './protocol.js';
import { type Algorithm, digestOf } from './tag.js';

const { path, algorithm } = readArguments();
const ringCapacity = 32 * 1024 * 1024;

/** Each path carries the file this many times; the median time is reported. */
const passes = 5;

interface Run {
  name: string;
  digests: string[];
  seconds: number;
}

process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));
process.on('exit', killWorkers);

const file = openInput();
try {
  // First, so that the file is in the page cache for both runs.
  const expected = await reference();
  const runs = [await throughRings(file), await throughMessages(file)];
  report(file.length, runs, expected);
} catch (error) {
  console.error(`hash-file: ${(error as Error).message}`);
  killWorkers();
  process.exitCode = 1;
} finally {
  file.close();
  reap(); // what a killed worker left
}

function readArguments(): { path: string; algorithm: Algorithm } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { hash: { type: 'string', default: 'gmac' } },
    });
    const { hash } = values;
    if (positionals.length > 1) throw new Error(`expected one FILE, got ${positionals.length}`);
    if (hash === 'gmac' || hash === 'sha256') {
      return { path: positionals[0] ?? process.execPath, algorithm: hash };
    }
    throw new Error(`expected --hash gmac or --hash sha256, got ${hash}`);
  } catch (error) {
    console.error(`hash-file: ${(error as Error).message}`);
    process.exit(2);
  }
}

function openInput(): MapFile {
  try {
    const file = openFile(path, { prefault: true });
    if (file.length > 0) return file;
    console.error(`hash-file: ${path} is empty`);
  } catch (error) {
    console.error(`hash-file: ${(error as Error).message}`);
  }
  process.exit(2);
}

async function throughRings(file: MapFile): Promise<Run> {
  using chunks = Ring.create({ capacity: ringCapacity });
  using results = Ring.create({ capacity: 64 * 1024 });
  const output = chunks.producer();
  const input = results.consumer();
  const worker = await startWorker({
    transport: 'shared-memory',
    algorithm,
    length: file.length,
    chunks: chunks.handle,
    results: results.handle,
  });
  const exited = once(worker, 'exit');

  const run = await timed('shared memory', file, async (digest, progress) => {
    const take = (bytes: Buffer, offset: number, length: number) =>
      digest.add(bytes.readUInt32LE(offset), bytes.subarray(offset + 4, offset + length));
    let shown = 0;
    for (let at = 0; at < file.length; at += chunkBytes) {
      const chunk = file.bytes.subarray(at, at + chunkBytes);
      while (!output.writeSync(chunk, 50)) await nextTurn();
      input.drain(take);
      if (performance.now() - shown > 50) {
        shown = performance.now();
        progress(at);
        await nextTurn(); // signals are delivered here
      }
    }
    while (digest.missing > 0) {
      const record = input.readSync(50);
      if (record) take(Buffer.from(record.buffer), 0, record.length);
      else await nextTurn();
    }
  });
  output.end();
  await exited;
  return run;
}

async function throughMessages(file: MapFile): Promise<Run> {
  const worker = await startWorker({ transport: 'process.send', algorithm, length: file.length });
  const exited = once(worker, 'exit');
  const died = exited.then(() => {
    throw new Error(`the worker (process ${worker.process.pid}) died`);
  });
  died.catch(() => {}); // it may come when nobody waits for it any more

  const run = await timed('process.send, cloned', file, async (digest, progress) => {
    const finished = new Promise<void>(resolve => {
      const take = (result: { index: number; digest: Uint8Array }) => {
        digest.add(result.index, result.digest);
        if (digest.missing > 0) return;
        worker.off('message', take);
        resolve();
      };
      worker.on('message', take);
    });
    for (let at = 0, index = 0; at < file.length; at += chunkBytes, index++) {
      const chunk = file.bytes.subarray(at, at + chunkBytes);
      const accepted = new Promise<void>(resolve =>
        // A send fails because the worker died; `died` says so by its name.
        worker.send({ index, chunk }, error => error ?? resolve()),
      );
      await Promise.race([accepted, died]);
      progress(at);
    }
    await Promise.race([finished, died]);
  });
  worker.send('end');
  await exited;
  return run;
}

/** Starts a worker and waits until its pool stands. */
async function startWorker(job: Job): Promise<Worker> {
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('./worker.js', import.meta.url)),
    serialization: 'advanced',
  });
  const worker = cluster.fork({ HASH_FILE_JOB: JSON.stringify(job) });
  const ended = once(worker, 'exit').then(() => {
    throw new Error(`the worker (process ${worker.process.pid}) died before it was ready`);
  });
  await Promise.race([once(worker, 'message'), ended]);
  ended.catch(() => {});
  return worker;
}

async function timed(
  name: string,
  file: MapFile,
  carry: (digest: FileDigest, progress: (bytes: number) => void) => Promise<void>,
): Promise<Run> {
  const bar = new SingleBar({
    format: `${name.padEnd(20)} {bar} {percentage} %`,
    clearOnComplete: true,
    hideCursor: true,
  });
  bar.start(file.length * passes, 0);
  const digests: string[] = [];
  const times: number[] = [];
  try {
    for (let pass = 0; pass < passes; pass++) {
      const digest = new FileDigest(file.length);
      const start = performance.now();
      await carry(digest, bytes => bar.update(pass * file.length + bytes));
      times.push((performance.now() - start) / 1000);
      digests.push(digest.hex());
    }
  } finally {
    bar.stop();
  }
  const median = times.sort((a, b) => a - b)[passes >> 1]!;
  return { name, digests, seconds: median };
}

/** The digest again, by node:crypto alone, from the file as node:fs reads it. */
async function reference(): Promise<string> {
  const digest = new FileDigest(file.length);
  let index = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) {
    digest.add(index++, digestOf(chunk as Buffer, algorithm));
  }
  return digest.hex();
}

function report(bytes: number, runs: Run[], expected: string): void {
  const table = new Table({
    head: ['path', 'bytes', 'seconds', 'GB/s', 'digest'],
    style: { head: [], border: [] },
  });
  for (const { name, seconds, digests } of runs) {
    const speed = (bytes / seconds / 1e9).toFixed(2);
    table.push([name, bytes, seconds.toFixed(3), speed, digests[0]!.slice(0, 16)]);
  }
  table.push(['node:crypto, the file', bytes, '', '', expected.slice(0, 16)]);
  console.log(table.toString());
  const [shared, sent] = runs;
  console.log(
    `${(sent!.seconds / shared!.seconds).toFixed(1)} times the throughput, ` +
      `median of ${passes} passes`,
  );
  const wrong = runs.flatMap(run => run.digests).find(digest => digest !== expected);
  if (wrong === undefined) {
    console.log(`digests equal: ${expected}`);
  } else {
    console.error(`hash-file: digests differ: expected ${expected}, got ${wrong}`);
    process.exitCode = 1;
  }
}

function killWorkers(): void {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL');
}
