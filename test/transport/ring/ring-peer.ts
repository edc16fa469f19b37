// The other side of a ring, as a process or as a thread: does what its orders say.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Ring, type RingHandle } from '../../../src/index.js';
import { Traffic } from '../../support/traffic.js';

export interface Orders {
  ring: RingHandle;
  role: 'producer' | 'consumer';
  seed: number;
  longest: number;
  /** Go on until this many bytes have gone through. */
  bytes: number;
  /** Producer: publish once for this many records. */
  cork?: number;
  /** Consumer: take copies by readSync instead of draining in place. */
  copy?: boolean;
  /** Producer: attach, write this many records, then say so and hang. */
  hangAfter?: number;
}

export interface Report {
  count: number;
  bytes: number;
  ended: boolean;
}

const tell = (value: unknown) =>
  parentPort ? parentPort.postMessage(value) : process.send!(value);

function run(orders: Orders): void {
  const ring = Ring.open(orders.ring);
  const traffic = new Traffic(orders.seed, orders.longest);
  const ended =
    orders.role === 'producer' ? produce(ring, traffic, orders) : consume(ring, traffic, orders);
  ring.close();
  tell({ count: traffic.count, bytes: traffic.bytes, ended } satisfies Report);
  // Not within the delivery of a message, which Node 20 does not survive.
  if (isMainThread) setImmediate(() => process.disconnect());
}

function produce(ring: Ring, traffic: Traffic, { bytes, cork = 1, hangAfter }: Orders): boolean {
  const producer = ring.producer();
  while (traffic.bytes < bytes) {
    if (cork > 1) producer.cork();
    for (let i = 0; i < cork && traffic.bytes < bytes; i++) producer.writeSync(traffic.next());
    if (cork > 1) producer.uncork();
    if (traffic.count === hangAfter) {
      tell('hanging');
      for (;;) consumeTime();
    }
  }
  producer.end();
  return true;
}

function consume(ring: Ring, traffic: Traffic, { copy, hangAfter }: Orders): boolean {
  const consumer = ring.consumer();
  if (hangAfter !== undefined) {
    tell('hanging');
    for (;;) consumeTime();
  }
  if (copy) {
    for (let record = consumer.readSync(); record; record = consumer.readSync()) {
      traffic.verify(record);
    }
  } else {
    while (consumer.waitSync())
      consumer.drain((bytes, offset, length) => traffic.verify(bytes, offset, length));
  }
  return consumer.ended;
}

/** Hangs without a turn of the event loop, as a stuck program would. */
function consumeTime(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

if (isMainThread) process.once('message', run);
else run(workerData as Orders);
