// A side of a ring that is killed at the Nth point of its script, or never where the script
// has fewer. A point lies before each access to shared memory: each Atomics call, each plain
// load and store of a record's header or a counter, before, within and after each copy.
import { openSync, writeSync } from 'node:fs';
import { Ring } from '../../../src/index.js';
import type { Consumer } from '../../../src/transport/ring/consumer.js';
import type { Producer } from '../../../src/transport/ring/producer.js';
import { ringHeaderBytes, ringTrailerBytes } from '../../../src/transport/ring/layout.js';
import { recordOf } from './ring-records.js';

const [path, role, killAt, progressPath] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
];
const progress = openSync(progressPath, 'a');
let left = Number(killAt);
let armed = false;

function point(): void {
  if (armed && --left === 0) process.kill(process.pid, 'SIGKILL');
}

/** Reported to the parent at once, in a way that outlives this process. */
function tell(what: 'w' | 'h' | 'r'): void {
  writeSync(progress, what);
}

/** The transport calls the global Atomics; every such call becomes a point. */
function watchAtomics(): void {
  for (const name of ['load', 'store', 'exchange', 'compareExchange'] as const) {
    const original = Reflect.get(Atomics, name) as (...args: unknown[]) => number;
    Object.defineProperty(Atomics, name, {
      value: (...args: unknown[]) => {
        point();
        return original(...args);
      },
    });
  }
}

/** Plain views that the transport makes from here on report each of their accesses. */
function watchWords(name: 'Int32Array' | 'Float64Array'): void {
  const Original = globalThis[name];
  const handler: ProxyHandler<Int32Array | Float64Array> = {
    get(target, index) {
      point();
      return Reflect.get(target, index) as unknown;
    },
    set(target, index, value) {
      point();
      return Reflect.set(target, index, value);
    },
  };
  globalThis[name] = new Proxy(Original, {
    construct(target, args: [ArrayBuffer, number, number]) {
      const made = new target(...args);
      // The shared view is for Atomics, which take no proxy.
      return args[0] instanceof ArrayBuffer ? new Proxy(made, handler) : made;
    },
  }) as never;
}

/** A copy can end half-way. */
function watchCopies(ring: Ring): void {
  const records = ring.buffer.byteLength;
  const plain = Reflect.get(Uint8Array.prototype, 'set') as (...args: unknown[]) => void;
  Uint8Array.prototype.set = function (this: Uint8Array, source: ArrayLike<number>, offset = 0) {
    const copy = (from: ArrayLike<number>, to: number) => plain.call(this, from, to);
    const isRecord = this.buffer.byteLength === records && source instanceof Uint8Array;
    if (!isRecord) return copy(source, offset);
    const half = source.length >> 1;
    point();
    copy(source.subarray(0, half), offset);
    point();
    copy(source.subarray(half), offset + half);
    point();
  };
}

function write(producer: Producer, index: number): void {
  if (!producer.tryWrite(recordOf(index))) throw new Error(`no room for record ${index}`);
  tell('w');
}

/** Every way to write, padding at the end of the ring included. */
function produce(producer: Producer): void {
  write(producer, 0);
  write(producer, 1);
  producer.cork();
  producer.tryWrite(recordOf(2));
  producer.tryWrite(recordOf(3));
  producer.uncork();
  tell('w');
  tell('w');
  const place = producer.reserve(recordOf(4).length + 50)!;
  place.set(recordOf(4));
  producer.commit(recordOf(4).length);
  tell('w');
  producer.end();
}

/** Every way to read. What is reported as read is released; what is reported as handled may be. */
function consume(consumer: Consumer): void {
  consumer.peek();
  tell('h');
  consumer.release();
  tell('r');
  consumer.drain(() => tell('h'), 2);
  tell('r');
  tell('r');
  const [first, second] = [consumer.borrow()!, consumer.borrow()!];
  tell('h');
  second.release();
  tell('h');
  first.release();
  tell('r');
  tell('r');
  consumer.close();
}

/** Both roles in one process, which takes both with it. */
function both(ring: Ring): void {
  const producer = ring.producer();
  const consumer = ring.consumer();
  const drain = () => {
    const count = consumer.drain(() => tell('h'));
    for (let i = 0; i < count; i++) tell('r');
  };
  write(producer, 0);
  write(producer, 1);
  drain();
  write(producer, 2);
  write(producer, 3);
  consumer.peek();
  tell('h');
  consumer.release();
  tell('r');
  write(producer, 4);
  drain();
}

watchAtomics();
watchWords('Int32Array');
watchWords('Float64Array');
const ring = Ring.open(path);
if (ring.buffer.byteLength !== ringHeaderBytes + ring.capacity + ringTrailerBytes)
  throw new Error('an unexpected size');
watchCopies(ring);
armed = true;
if (role === 'producer') produce(ring.producer());
else if (role === 'consumer') consume(ring.consumer());
else both(ring);
ring.close();
armed = false;
process.disconnect();
