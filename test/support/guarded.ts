import { Ring, ShmError } from '../../src/index.js';
import type { Consumer } from '../../src/transport/ring/consumer.js';
import type { BorrowedRecord } from '../../src/transport/ring/record-handlers.js';
import { Field, ringHeaderBytes } from '../../src/transport/ring/layout.js';
import { HeapMemory } from './heap-memory.js';
import type { Producer } from '../../src/transport/ring/producer.js';

const guardBytes = 256;
const canary = 0xa5;

/** A ring in the middle of a larger buffer; the rest of it must never be touched. */
export class GuardedRing {
  readonly memory: HeapMemory;
  readonly #before: Buffer;
  readonly #after: Buffer;
  static readonly #intact = Buffer.alloc(guardBytes, canary);

  constructor(readonly capacity: number) {
    const bytes = ringHeaderBytes + capacity;
    const buffer = new SharedArrayBuffer(guardBytes + bytes + guardBytes);
    this.memory = new HeapMemory(buffer, guardBytes, bytes);
    this.#before = Buffer.from(buffer as unknown as ArrayBuffer, 0, guardBytes).fill(canary);
    const end = guardBytes + bytes;
    this.#after = Buffer.from(buffer as unknown as ArrayBuffer, end, guardBytes).fill(canary);
  }

  /** Empties the memory and makes a new ring there, its positions at `position`. */
  format(position = 0): Ring {
    this.memory.plain.fill(0);
    this.memory.words[Field.tail] = position;
    this.memory.words[Field.head] = position;
    return Ring.format(this.memory, this.capacity);
  }

  /** Throws if a byte outside the ring was changed. */
  checkGuards(): void {
    const intact = GuardedRing.#intact;
    if (this.#before.equals(intact) && this.#after.equals(intact)) return;
    throw new Error('a byte outside the ring was written');
  }

  /** Throws if a range of `Ring.buffer` does not lie within the ring's records. */
  checkRange(offset: number, length: number): void {
    const first = guardBytes + ringHeaderBytes;
    if (offset >= first && length >= 0 && offset + length <= first + this.capacity) return;
    throw new Error(`${length} bytes at ${offset} are not within the ring's records`);
  }
}

/** Calls of a side that a script can name; each is bounded work, and none waits. */
export const calls = [
  'tryWrite',
  'writeSync',
  'reserve',
  'commit',
  'abort',
  'cork',
  'uncork',
  'tryRead',
  'readSync',
  'peek',
  'release',
  'borrow',
  'giveBack',
  'drain',
  'ended',
] as const;

export type Call = (typeof calls)[number];

/** Both sides of a ring, driven call by call, with every range they touch checked. */
export class Driver {
  readonly producer: Producer;
  readonly consumer: Consumer;
  readonly #borrowed: BorrowedRecord[] = [];
  #reserved = 0;

  constructor(
    readonly guarded: GuardedRing,
    ring: Ring,
    /** Called with every record that was read, in place or as a copy. */
    readonly onRecord: (bytes: Uint8Array) => void = () => {},
    /** Called before every write, for the payload. */
    readonly payload: (length: number) => Uint8Array = length => new Uint8Array(length),
  ) {
    this.producer = ring.producer();
    this.consumer = ring.consumer();
  }

  /** @returns what the call threw, which is always a ShmError; anything else is thrown on */
  attempt(call: Call, amount: number, within: () => void = () => {}): ShmError | undefined {
    try {
      this.#run(call, amount, within);
      return undefined;
    } catch (error) {
      if (error instanceof ShmError) return error;
      throw error;
    }
  }

  #run(call: Call, amount: number, within: () => void): void {
    const { producer, consumer } = this;
    const length = amount % (producer.maxLength + 1);
    switch (call) {
      case 'tryWrite':
        producer.tryWrite(this.payload(length));
        return;
      case 'writeSync':
        producer.writeSync(this.payload(length), 0);
        return;
      case 'reserve': {
        const payload = this.payload(length);
        const place = producer.reserve(length);
        if (place === null) return;
        this.#checkView(place, length);
        place.set(payload);
        this.#reserved = length;
        return;
      }
      case 'commit':
        producer.commit(this.#reserved);
        return;
      case 'abort':
      case 'cork':
      case 'uncork':
        producer[call]();
        return;
      case 'tryRead':
        this.#see(consumer.tryRead());
        return;
      case 'readSync':
        this.#see(consumer.readSync(0));
        return;
      case 'peek': {
        const place = consumer.peek();
        if (place !== null) this.#checkView(place, place.length);
        return;
      }
      case 'release':
        consumer.release();
        return;
      case 'borrow': {
        const record = consumer.borrow();
        if (record === null) return;
        this.guarded.checkRange(record.offset, record.length);
        this.#checkView(record.bytes, record.length);
        this.#borrowed.push(record);
        return;
      }
      case 'giveBack':
        this.#borrowed.splice(amount % (this.#borrowed.length || 1), 1)[0]?.release();
        return;
      case 'drain':
        this.#drain(within);
        return;
      case 'ended':
        if (typeof consumer.ended !== 'boolean') throw new Error('ended is no boolean');
    }
  }

  #drain(within: () => void): void {
    // Whatever the peer writes, one drain handles no more records than fit into the ring,
    // and once more for each time that the peer moves the tail while it goes on.
    let left = this.guarded.capacity;
    this.consumer.drain((bytes, offset, length) => {
      if (left-- === 0) throw new Error('a drain goes on without end');
      this.guarded.checkRange(bytes.byteOffset + offset, length);
      this.onRecord(bytes.subarray(offset, offset + length));
      within();
    });
  }

  #see(record: Uint8Array | null): void {
    if (record === null) return;
    if (record.length > this.guarded.capacity) throw new Error(`a record of ${record.length}`);
    this.onRecord(record);
  }

  #checkView(view: Uint8Array, length: number): void {
    this.guarded.checkRange(view.byteOffset, view.byteLength);
    if (view.length !== length) throw new Error(`expected ${length} bytes, got ${view.length}`);
  }
}
