import { keepFreedHeap } from '../../native/heap.js';
import { loadPosition, storePosition } from './atomics.js';
import { Counter, Field, ringHeaderBytes } from './layout.js';
import type { RingMemory } from './memory.js';
import { RoleHolder } from './role-holder.js';

/** The reading end. Owns `head`; keeps a cached copy of `tail`. */
export class StreamConsumer {
  readonly roleHolder: RoleHolder;
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
    this.roleHolder = new RoleHolder(memory, 'consumer', spin);
    const { buffer, byteOffset } = memory.plain;
    this.#words = memory.words;
    this.#counters = new Float64Array(buffer, byteOffset, ringHeaderBytes / 8);
    this.#bytes = new Uint8Array(buffer, byteOffset + ringHeaderBytes, capacity);
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
    keepFreedHeap(count);
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
    this.roleHolder.wakePeer();
  }

  /** The producer ended and every byte has been read. */
  get ended(): boolean {
    // The state is loaded before the ring is looked at again: `ended` is stored last.
    if (!this.#ended && this.roleHolder.peerEnded() && this.#available() === 0) this.#ended = true;
    return this.#ended;
  }

  /** Whether there are bytes, or the end. */
  readonly ready = (): boolean => this.#available() > 0 || this.ended;

  close(orderly: boolean): void {
    this.roleHolder.close(orderly);
  }

  /** SYNC publish, where the cache says empty. */
  #available(): number {
    if (this.#tail !== this.#head) return (this.#tail - this.#head) | 0;
    this.roleHolder.checkUsable('read');
    const tail = loadPosition(this.#words, Field.tail);
    const used = (tail - this.#head) | 0;
    if (used < 0 || used > this.#capacity) {
      throw this.roleHolder.poison(
        'read',
        `expected tail within ${this.#capacity} bytes after head ${this.#head}, got ${tail}`,
      );
    }
    this.#tail = tail;
    return used;
  }
}
