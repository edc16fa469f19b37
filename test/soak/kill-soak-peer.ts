import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Bus, Channel, dial, listen, openFile, openMem, reap, Ring } from '../../src/index.js';
import { PayloadArena } from '../../src/transport/piscina/index.js';
import { random } from '../support/traffic.js';

/*
 * Opens and closes everything there is, in random order, until it is killed. What it has committed
 * to a kept ring, and taken out of one, it writes into a mapped ledger, which outlives it.
 */

const [folder, seed, number] = process.argv.slice(2) as [string, string, string];
const pick = random(Number(seed));
const files = join(folder, 'files');
mkdirSync(files, { recursive: true });
const ledger = new Int32Array(
  openFile(join(folder, 'ledger'), { access: 'read-write' }).buffer,
  Number(number) * 64,
  16,
);
const name = (kind: string) => join(files, `${kind}-${process.pid}-${count++}`);
let count = 0;

const record = Buffer.alloc(56); // with its header a part of the capacity: no padding

/** The n-th record says so in all of its bytes. */
function fill(n: number): Buffer {
  for (let at = 0; at < record.length; at += 4) record.writeUInt32LE(n, at);
  return record;
}

/** Word 0 counts what is committed to the ring `out-<number>`, word 1 what is read of `in-…`. */
function produce(ring: Ring): void {
  const producer = ring.producer();
  for (let left = 1 + pick(200); left > 0; left--) {
    if (!producer.tryWrite(fill(Atomics.load(ledger, 0)))) return;
    Atomics.add(ledger, 0, 1);
  }
}

function consume(ring: Ring): void {
  const consumer = ring.consumer();
  for (let left = 1 + pick(200); left > 0; left--) {
    if (!consumer.tryRead()) return;
    Atomics.add(ledger, 1, 1);
  }
}

const capacity = 4096;
const kept = (kind: string) => join(folder, `${kind}-${number}`);

const actions: (() => unknown)[] = [
  () => openMem({ bytes: 4096 * (1 + pick(8)) }).close(),
  () => {
    const mem = openMem();
    openMem(mem.id, { access: 'read-write' });
    if (pick(2)) mem.close();
  },
  () => openFile(name('file'), { access: 'read-write', create: true, size: 8192 }).close(),
  () => openFile(name('file'), { access: 'read-write', create: 'exclusive', size: 8192 }),
  () => Ring.create({ capacity }).close(),
  () => {
    const ring = Ring.create({ capacity });
    const other = Ring.open(ring.handle);
    void ring.consumer().read({ timeout: 20 });
    other.producer().tryWrite(fill(1));
  },
  () => Ring.create({ capacity, path: name('ring') }).close(),
  () => {
    using ring = Ring.open(kept('out'));
    produce(ring);
  },
  () => {
    using ring = Ring.open(kept('in'));
    consume(ring);
  },
  async () => {
    const here = Channel.create<string>({ capacity }).on('error', () => {});
    const there = Channel.open<string>(here.handle).on('error', () => {});
    there.on('message', () => void there.close());
    here.send('word');
    await there.ready().catch(() => {});
    await here.close();
  },
  async () => {
    const listener = await listen(name('socket'), conn => conn.on('error', () => {}).pipe(conn));
    const conn = await dial(listener.address() as string);
    conn.on('error', () => {}).end('hello');
    conn.resume();
    if (pick(2)) await listener.close();
  },
  async () => {
    const bus = await Bus.join<string>('soak', { capacity, closeTimeout: 100 });
    bus.on('error', () => {}).on('message', () => {});
    for (const peer of bus.peers) bus.send(peer, 'word');
    if (pick(2)) await bus.close();
  },
  () => {
    const arena = PayloadArena.create({ bytes: 65_536 });
    arena.share(Buffer.alloc(1000));
    if (pick(2)) arena.close();
  },
  () => reap(),
];

process.on('disconnect', () => process.exit(1)); // its maker was killed
process.send!('ready');
for (;;) {
  try {
    await actions[pick(actions.length)]!();
  } catch (error) {
    // Another's end may show here; what is not ours does not belong here.
    if ((error as Error).name !== 'ShmError') {
      process.send!(`${(error as Error).stack}`);
      await new Promise(() => {});
    }
  }
  if (pick(4) === 0) await new Promise(setImmediate);
}
