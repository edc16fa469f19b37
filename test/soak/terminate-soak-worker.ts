// A thread that uses everything that is native, until it is terminated: see terminate-soak.ts.
import { openSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { Channel, openFile, openMem, Ring } from '../../src/index.js';
import { Access, addon } from '../../src/native/addon.js';

const { plain, turn } = workerData as { plain: boolean; turn: number };
const self = fileURLToPath(import.meta.url);

type Act = () => void | Promise<void>;

/** Over and over, so that the end is likely to come within the call. */
function often(call: () => void): Act {
  return () => {
    for (let i = 0; i < 1000; i++) call();
  };
}

function failing(call: () => unknown): () => void {
  return () => {
    try {
      call();
    } catch {
      return; // as it should
    }
    throw new Error('it did not fail');
  };
}

const fd = openSync(self, 'r');
const mapping = new addon.Mapping(fd, 0, 1024, Access.read, 0, 'soak');
const closed = new addon.Mapping(fd, 0, 0, Access.read, 0, 'soak');
const nobody = resolve(`/nowhere/bell-${'0'.repeat(24)}`);

const acts: Act[] = [
  often(() => closed.close(true)),
  often(() => new addon.Mapping(fd, 0, 1024, Access.read, 0, 'soak').close()),
  often(() => mapping.resident(0, 1024)),
  often(() => mapping.wait(0, 0, 0)),
  often(() => mapping.byteIsLocked(1)),
  often(() => new addon.DoorbellRinger(nobody).ring(1)),
  often(failing(() => addon.reserve(1 << 20, 1))),
  often(failing(() => closed.sharedBuffer())),
  () => void mapping.alias(),
  () => void mapping.sharedBuffer(),
  () => {
    using mem = openMem({ bytes: 3 * 4096 });
    mem.bytes.fill(1);
    using again = openMem(mem.buffer);
    Atomics.notify(new Int32Array(again.buffer), 0);
    mem.sync({ async: true });
    mem.advise('willneed');
    mem.resident();
    mem.protect('read', { length: 4096 });
  },
  () => {
    const file = openFile(self);
    file.bytes.at(0);
    file.close();
  },
  () => {
    using file = openFile(self);
    file.readAt(Buffer.alloc(100), 10);
    Atomics.load(new Uint8Array(file.buffer), 0);
    file.sync();
    file.advise('random');
    file.resident();
  },
  failing(() => openFile('/nowhere/at/all')),
  () => {
    const ring = Ring.create({ capacity: 4096 });
    const producer = ring.producer();
    producer.tryWrite(Buffer.alloc(8));
    const other = Ring.open(ring.handle);
    const consumer = other.consumer({ wait: { spin: 0 } });
    consumer.readSync(1);
    consumer.readSync(1); // in vain
    other.close();
    ring.close();
  },
  async () => {
    const wait = { spin: 0 };
    const near = Channel.create({ capacity: 4096, wait });
    const far = Channel.open(near.handle, { wait });
    const came = new Promise(resolve => far.once('message', resolve));
    await nextTurn();
    near.send('ring');
    await came;
    await Promise.all([near.close(), far.close()]);
  },
];

const plainActs: Act[] = [
  () => {
    const words = new Int32Array(new SharedArrayBuffer(4096));
    Atomics.notify(words, 0);
    Atomics.wait(words, 0, 0, 1);
  },
  () => void readFileSync(self),
  () => void statSync('/nowhere/at/all', { throwIfNoEntry: false }),
  () => void structuredClone({ bytes: Buffer.alloc(8192) }),
  async () => {
    await nextTurn();
  },
];

// Each thread does one thing, so that it is mostly within the addon; every few of them everything.
const all = plain ? plainActs : acts;
const one = all[turn % (all.length + 1)];
parentPort!.postMessage('up');
for (;;) await (one ?? all[Math.floor(Math.random() * all.length)]!)();
