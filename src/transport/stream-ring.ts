import { noteCopy } from '../native/heap.js';
import { loadPosition, storePosition } from './atomics.js';
import { Counter, Field, headerBytes } from './layout.js';
import type { RingMemory } from './memory.js';
import { Side } from './side.js';

/*
 * The ring of a byte stream: the header, the waiting and the ownership of a ring of
 * records, but nothing between the bytes. What is written may go round the end, and may be
 * taken out in other pieces than it was put in.
 */

/**
 * The writing end. Owns `tail`; keeps a cached limit, as `Producer` does.
 *
 * A crash before the publish leaves nothing of the last write.
 */
export class StreamProducer {
  readonly side: Side;
  readonly #words: Int32Array;
  readonly #counters: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #capacity: number;
  #tail: number;
  #published: number;
  #limit: number;

  /** @param spin microseconds of polling before sleep */
  constructor(memory: RingMemory, capacity: number, spin: number) {
    this.side = new Side(memory, 'producer', spin);
    const { buffer, byteOffset } = memory.plain;
    this.#words = memory.words;
    this.#counters = new Float64Array(buffer, byteOffset, headerBytes / 8);
    this.#bytes = new Uint8Array(buffer, byteOffset + headerBytes, capacity);
    this.#capacity = capacity;
    this.#tail = loadPosition(this.#words, Field.tail);
    this.#published = this.#tail;
    this.#limit = this.#tail;
  }

  /** Room for at least `wanted` bytes, or for a quarter of the ring where that is less. */
  hasRoom(wanted: number): boolean {
    const least = Math.min(wanted, this.#capacity >> 2);
    if (((this.#limit - this.#tail) | 0) >= least) return true;
    this.#refreshLimit();
    return ((this.#limit - this.#tail) | 0) >= least;
  }

  /**
   * Copies as many bytes in as there is room for, from `start` of the source on; seen by the
   * consumer after {@link publish}. Does not block or allocate.
   *
   * @returns how many; 0: the ring is full
   * @throws {ShmError} `ERR_CLOSED`; `ERR_CORRUPT`: the consumer's position is impossible
   */
  write(source: Uint8Array, start: number): number {
    const wanted = source.length - start;
    if (wanted > ((this.#limit - this.#tail) | 0)) {
      this.side.checkUsable('write');
      this.#refreshLimit();
    }
    const count = Math.min(wanted, (this.#limit - this.#tail) | 0);
    const index = this.#tail & (this.#capacity - 1);
    const first = Math.min(count, this.#capacity - index);
    this.#bytes.set(part(source, start, start + first), index);
    if (first < count) this.#bytes.set(source.subarray(start + first, start + count), 0);
    this.#tail = (this.#tail + count) | 0;
    return count;
  }

  /** SYNC publish, and the waker's side of SYNC park. */
  publish(): void {
    if (this.#published === this.#tail) return;
    if (this.#published < 0 && this.#tail >= 0) this.#counters[Counter.tailWraps]!++;
    this.#published = this.#tail;
    this.#counters[Counter.recordsWritten]!++;
    storePosition(this.#words, Field.tail, this.#tail);
    this.side.wakePeer();
  }

  /** See {@link Side.close}. The consumer reads what was published before it sees the end. */
  close(orderly: boolean): void {
    this.side.close(orderly);
  }

  /** SYNC release. What is read is the consumer's word, and so checked before use. */
  #refreshLimit(): void {
    const head = loadPosition(this.#words, Field.head);
    const used = (this.#tail - head) | 0;
    if (used < 0 || used > this.#capacity) {
      throw this.side.poison(
        'write',
        `expected head within ${this.#capacity} bytes before tail ${this.#tail}, got ${head}`,
      );
    }
    this.#limit = (head + this.#capacity) | 0;
  }
}

/** The reading end. Owns `head`; keeps a cached copy of `tail`. */
export class StreamConsumer {
  readonly side: Side;
  readonly #words: Int32Array;
  readonly #counters: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #capacity: number;
  #head: number;
  #tail: number;
  /** Bytes taken out that the producer has not been woken for. */
  #quiet = 0;
  #ended = false;

  /** @param spin microseconds of polling before sleep */
  constructor(memory: RingMemory, capacity: number, spin: number) {
    this.side = new Side(memory, 'consumer', spin);
    const { buffer, byteOffset } = memory.plain;
    this.#words = memory.words;
    this.#counters = new Float64Array(buffer, byteOffset, headerBytes / 8);
    this.#bytes = new Uint8Array(buffer, byteOffset + headerBytes, capacity);
    this.#capacity = capacity;
    this.#head = loadPosition(this.#words, Field.head);
    this.#tail = this.#head;
  }

  /**
   * Takes out what there is, at most `limit` bytes. A producer that waits for room is woken
   * once half the ring has been taken out, or by {@link settle}, which has to be called
   * before anybody waits: to wake it for each piece would cost more than the copying.
   *
   * @returns a copy, yours to keep; null: there is nothing
   * @throws {ShmError} `ERR_CLOSED`; `ERR_CORRUPT`: the producer's position is impossible
   */
  read(limit: number): Buffer | null {
    const count = Math.min(this.#available(), limit);
    if (count === 0) return null;
    noteCopy(count);
    const copy = Buffer.allocUnsafe(count);
    this.readInto(copy);
    return copy;
  }

  /** {@link read} into memory of the caller's, from its beginning. @returns bytes; 0: nothing */
  readInto(target: Uint8Array): number {
    const count = Math.min(this.#available(), target.length);
    if (count === 0) return 0;
    const index = this.#head & (this.#capacity - 1);
    const first = Math.min(count, this.#capacity - index);
    target.set(this.#bytes.subarray(index, index + first));
    if (first < count) target.set(this.#bytes.subarray(0, count - first), first);
    this.#head = (this.#head + count) | 0;
    this.#counters[Counter.recordsRead]!++;
    // SYNC release, and the waker's side of SYNC park, now or in `settle`.
    storePosition(this.#words, Field.head, this.#head);
    this.#quiet += count;
    if (this.#quiet >= this.#capacity >> 1) this.settle();
    return count;
  }

  /** Wakes a producer that waits for the room that was made. */
  settle(): void {
    if (this.#quiet === 0) return;
    this.#quiet = 0;
    this.side.wakePeer();
  }

  /** The producer ended and every byte has been read. */
  get ended(): boolean {
    // The state is loaded before the ring is looked at again: `ended` is stored last.
    if (!this.#ended && this.side.peerEnded() && this.#available() === 0) this.#ended = true;
    return this.#ended;
  }

  /** Whether there are bytes, or the end. */
  readonly ready = (): boolean => this.#available() > 0 || this.ended;

  close(orderly: boolean): void {
    this.side.close(orderly);
  }

  /** SYNC publish, where the cache says empty. */
  #available(): number {
    if (this.#tail !== this.#head) return (this.#tail - this.#head) | 0;
    this.side.checkUsable('read');
    const tail = loadPosition(this.#words, Field.tail);
    const used = (tail - this.#head) | 0;
    if (used < 0 || used > this.#capacity) {
      throw this.side.poison(
        'read',
        `expected tail within ${this.#capacity} bytes after head ${this.#head}, got ${tail}`,
      );
    }
    this.#tail = tail;
    return used;
  }
}

/** Without a view of its own where it is the whole. */
function part(source: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === source.length ? source : source.subarray(start, end);
}
