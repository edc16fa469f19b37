import { loadPosition, storePosition } from './atomics.js';
import { Counter, Field, ringHeaderBytes } from './layout.js';
import type { RingMemory } from './memory.js';
import { RoleHolder } from './role-holder.js';

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
  readonly roleHolder: RoleHolder;
  readonly #words: Int32Array;
  readonly #counters: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #capacity: number;
  #tail: number;
  #published: number;
  #limit: number;

  /** @param spin microseconds of polling before sleep */
  constructor(memory: RingMemory, capacity: number, spin: number) {
    this.roleHolder = new RoleHolder(memory, 'producer', spin);
    const { buffer, byteOffset } = memory.plain;
    this.#words = memory.words;
    this.#counters = new Float64Array(buffer, byteOffset, ringHeaderBytes / 8);
    this.#bytes = new Uint8Array(buffer, byteOffset + ringHeaderBytes, capacity);
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
      this.roleHolder.checkUsable('write');
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
    this.roleHolder.wakePeer();
  }

  /** See {@link RoleHolder.close}. The consumer reads what was published before it sees the end. */
  close(orderly: boolean): void {
    this.roleHolder.close(orderly);
  }

  /** SYNC release. What is read is the consumer's word, and so checked before use. */
  #refreshLimit(): void {
    const head = loadPosition(this.#words, Field.head);
    const used = (this.#tail - head) | 0;
    if (used < 0 || used > this.#capacity) {
      throw this.roleHolder.poison(
        'write',
        `expected head within ${this.#capacity} bytes before tail ${this.#tail}, got ${head}`,
      );
    }
    this.#limit = (head + this.#capacity) | 0;
  }
}

/** Without a view of its own where it is the whole. */
function part(source: Uint8Array, start: number, end: number): Uint8Array {
  return start === 0 && end === source.length ? source : source.subarray(start, end);
}
