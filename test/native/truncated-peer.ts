// A process that touches a file which another one truncates: see truncated.test.ts.
import { once } from 'node:events';
import { readFileSync, readSync } from 'node:fs';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { type Mapped, openFile, openMem, type ShmError } from '../../src/index.js';

/** What a touch gave, and then the code that the next call threw. */
export interface Touched {
  value: string;
  code: string;
  message: string;
  later: string[];
}

const page = 4096;

/** Ways to touch the page at `offset`; each gives what it saw. */
const touches: Record<string, (mapped: Mapped, offset: number) => unknown> = {
  'bytes read': (mapped, offset) => raw.get(mapped)!.bytes[offset],
  'bytes write': (mapped, offset) => (raw.get(mapped)!.bytes[offset] = 5),
  'buffer read': (mapped, offset) => new Uint8Array(raw.get(mapped)!.buffer)[offset],
  'buffer write': (mapped, offset) => (new Uint8Array(raw.get(mapped)!.buffer)[offset] = 5),
  'Atomics read': (mapped, offset) =>
    Atomics.load(new Int32Array(raw.get(mapped)!.buffer), offset / 4),
  'Atomics write': (mapped, offset) =>
    Atomics.add(new BigInt64Array(raw.get(mapped)!.buffer), offset / 8, 5n),
  'copy out': (mapped, offset) => Buffer.from(raw.get(mapped)!.bytes.subarray(offset)).indexOf(1),
  'copy in': (mapped, offset) => raw.get(mapped)!.bytes.fill(7, offset),
  'our read': (mapped, offset) => mapped.readAt(Buffer.alloc(page), offset),
  'our write': (mapped, offset) => mapped.writeAt(Buffer.alloc(page), offset),
  'our at': (mapped, offset) => mapped.at(offset),
  'our sync': mapped => mapped.sync(),
  'a system call': (mapped, offset) =>
    readSync(mapped.length > 0 ? zero : 0, raw.get(mapped)!.bytes, offset, 1, 0),
};

let zero = -1;
const raw = new Map<Mapped, { bytes: Uint8Array; buffer: SharedArrayBuffer }>();

function attempt(call: () => unknown): { value: string; code: string; message: string } {
  try {
    return { value: String(call()), code: '', message: '' };
  } catch (error) {
    const { code, message } = error as ShmError;
    return { value: '', code, message };
  }
}

function touch(way: string, mapped: Mapped, offset: number): Touched {
  const first = attempt(() => touches[way]!(mapped, offset));
  const next = first.code === '' ? attempt(() => mapped.at(0)) : first;
  const later = [
    () => mapped.read(Buffer.alloc(1)),
    () => mapped.bytes,
    () => mapped.buffer,
    () => mapped.sync(),
    () => mapped.createReadStream(),
  ].map(call => attempt(call).code);
  return { value: first.value, code: next.code, message: next.message, later };
}

/** Orders in which pages are touched; all but the first leave gaps for long. */
const orders: Record<string, (count: number) => Iterable<number>> = {
  *'every second, upwards'(count) {
    for (let i = 0; i < count; i += 2) yield i;
  },
  *'every second, downwards'(count) {
    for (let i = count - 1; i > 0; i -= 2) yield i;
  },
  *random(count) {
    for (let i = 0; i < count; i += 4) yield Math.floor(Math.random() * count);
  },
};

/** The sum of what is seen at these pages. */
function sum(bytes: Uint8Array, order: string): number {
  let seen = 0;
  for (const index of orders[order]!(bytes.length / page)) seen += bytes[index * page]!;
  return seen;
}

/** All of a large file is lost: it is touched in an order, by several threads where so wanted. */
async function sparse(mapped: Mapped, order: string, threads: number): Promise<void> {
  const { bytes, buffer } = mapped;
  const mappings = () => readFileSync('/proc/self/maps', 'latin1').split('\n').length;
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL(import.meta.url), { workerData: { buffer, order } }),
  );
  await Promise.all(workers.map(worker => once(worker, 'message')));
  process.send!('mapped');
  await once(process, 'message');
  const before = mappings();
  const done = workers.map(worker => once(worker, 'message') as Promise<[number]>);
  for (const worker of workers) worker.postMessage('touch');
  const seen = threads > 0 ? (await Promise.all(done)).flat() : [sum(bytes, order)];
  const added = mappings() - before;
  process.send!({ seen, added, code: attempt(() => mapped.at(0)).code });
  process.disconnect();
}

async function main(): Promise<void> {
  const [file, way, access] = process.argv.slice(2) as [string, string, 'read' | 'read-write'];
  const { openSync } = await import('node:fs');
  zero = openSync('/dev/zero', 'r');
  const mapped = openFile(file, { access });
  if (way in orders) return sparse(mapped, way, Number(process.argv[5]));
  using untouched = openFile(process.execPath);
  raw.set(mapped, { bytes: mapped.bytes, buffer: mapped.buffer });
  const worker =
    way === 'thread' && new Worker(new URL(import.meta.url), { workerData: mapped.buffer });
  if (worker) await once(worker, 'message');
  process.send!('mapped');
  await once(process, 'message');
  if (worker) {
    worker.postMessage('touch');
    const [seen] = (await once(worker, 'message')) as [Touched];
    process.send!({ ...seen, message: attempt(() => mapped.at(0)).code });
  } else {
    process.send!(touch(way, mapped, 4 * page));
  }
  mapped.close();
  if (untouched.at(1) !== 'E'.charCodeAt(0)) throw new Error('another mapping was hit');
  process.disconnect();
}

if (isMainThread) {
  await main();
} else {
  const data = workerData as SharedArrayBuffer | { buffer: SharedArrayBuffer; order: string };
  const { buffer, order } = 'order' in data ? data : { buffer: data, order: '' };
  const mapped = openMem(buffer);
  const { bytes } = mapped;
  raw.set(mapped, { bytes, buffer: mapped.buffer });
  parentPort!.once('message', () => {
    const seen = order ? sum(bytes, order) : touch('bytes read', mapped, 4 * page);
    parentPort!.postMessage(seen);
  });
  parentPort!.postMessage('ready');
}
