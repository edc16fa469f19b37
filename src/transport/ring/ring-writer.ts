import { loadPosition, storePosition } from './atomics.js';
import { Counter, Field, ringHeaderBytes } from './layout.js';
import type { RingMemory } from './memory.js';
import { type RoleClaim, RoleHolder } from './role-holder.js';

/**
 * The writing end of a ring, of records or of bytes: where it stands, what it has published, and
 * how far it may go.
 *
 * Owns `tail`. Keeps its own copy of it and a cached `limit` (the consumer's `head` plus the
 * capacity), and reads shared memory only when the cache says full: the idea of rigtorp's
 * SPSCQueue.
 */
export abstract class RingWriter {
  /** @internal */
  readonly roleHolder: RoleHolder;
  /** @internal */
  protected readonly words: Int32Array;
  /** @internal */
  protected readonly counters: Float64Array;
  /** @internal The record area. */
  protected readonly bytes: Uint8Array;
  /** @internal Bytes of it. */
  protected readonly size: number;
  /** @internal Where the next byte goes; ahead of what is published. */
  protected tail: number;
  /** @internal */
  protected published: number;
  /** @internal The tail may come up to here before `head` must be looked at again. */
  protected limit: number;
  /** @internal Records, or pieces of a stream, published so far. */
  protected count: number;

  /** @internal */
  constructor(memory: RingMemory, capacity: number, claim: RoleClaim) {
    this.roleHolder = new RoleHolder(memory, 'producer', claim);
    const { buffer, byteOffset } = memory.plain;
    this.words = memory.words;
    this.counters = new Float64Array(buffer, byteOffset, ringHeaderBytes / 8);
    this.bytes = new Uint8Array(buffer, byteOffset + ringHeaderBytes, capacity);
    this.size = capacity;
    // A ring kept in a file goes on where its last producer left off.
    this.tail = loadPosition(this.words, Field.tail);
    this.published = this.tail;
    this.limit = this.tail;
    this.count = this.counters[Counter.recordsWritten]!;
  }

  /** @internal Bytes that may be written before `head` must be looked at again. */
  protected get room(): number {
    return (this.limit - this.tail) | 0;
  }

  /**
   * SYNC publish, and the waker's side of SYNC park: stores `tail`, then looks at `waiting`.
   *
   * @internal
   * @throws {ShmError} `ERR_TRUNCATED`
   */
  protected publishTail(): void {
    this.storeTail();
    this.roleHolder.checkMemory('write');
  }

  /** The same for the last time; does not report a truncated file. @internal */
  protected storeTail(): void {
    if (this.published < 0 && this.tail >= 0) this.counters[Counter.tailWraps]!++;
    this.published = this.tail;
    this.counters[Counter.recordsWritten] = this.count;
    storePosition(this.words, Field.tail, this.tail);
    this.roleHolder.wakePeer();
  }

  /**
   * SYNC release. What is read is the consumer's word, and so checked before use.
   *
   * @internal
   * @param alignment of every position
   * @throws {ShmError} `ERR_CORRUPT`: the consumer's position is impossible
   */
  protected refreshLimit(operation: string, alignment: number): void {
    const head = loadPosition(this.words, Field.head);
    const used = (this.tail - head) | 0;
    if (used < 0 || used > this.size || used % alignment !== 0) {
      throw this.roleHolder.poison(
        operation,
        `expected head within ${this.size} bytes before tail ${this.tail}, got ${head}`,
      );
    }
    this.roleHolder.checkWhole(operation);
    this.limit = (head + this.size) | 0;
  }
}
