import { loadPosition, storePosition } from './atomics.js';
import { Counter, Field, ringHeaderBytes } from './layout.js';
import type { RingMemory } from './memory.js';
import { type RoleClaim, RoleHolder } from './role-holder.js';

/**
 * The reading end of a ring, of records or of bytes: where it stands, what it has given back, and
 * how far it may read.
 *
 * Owns `head`. Keeps its own copy of it and a cached copy of `tail`, and reads shared memory only
 * when the cache says empty.
 */
export abstract class RingReader {
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
  /** @internal The next byte to read; ahead of what is released. */
  protected head: number;
  /** @internal */
  protected released: number;
  /** @internal */
  protected tail: number;
  /** @internal Records, or pieces of a stream, read so far. */
  protected count: number;

  /** @internal */
  constructor(memory: RingMemory, capacity: number, claim: RoleClaim) {
    this.roleHolder = new RoleHolder(memory, 'consumer', claim);
    const { buffer, byteOffset } = memory.plain;
    this.words = memory.words;
    this.counters = new Float64Array(buffer, byteOffset, ringHeaderBytes / 8);
    this.bytes = new Uint8Array(buffer, byteOffset + ringHeaderBytes, capacity);
    this.size = capacity;
    // A ring kept in a file goes on where its last consumer left off.
    this.head = loadPosition(this.words, Field.head);
    this.released = this.head;
    this.tail = this.head;
    this.count = this.counters[Counter.recordsRead]!;
  }

  /**
   * SYNC publish. What is read is the producer's word, and so checked before use: what is not
   * released is not the producer's to fill again. Without that a producer could keep a consumer
   * going for ever, with one padding record after the other.
   *
   * @internal
   * @param alignment of every position
   * @returns false: nothing new
   * @throws {ShmError} `ERR_CORRUPT`: the producer's position is impossible
   */
  protected refreshTail(alignment: number): boolean {
    const tail = loadPosition(this.words, Field.tail);
    this.roleHolder.checkWhole('read');
    if (tail === this.head) return false;
    const used = (tail - this.head) | 0;
    const held = (tail - this.released) | 0;
    if (used < 0 || held < 0 || held > this.size || used % alignment !== 0) {
      throw this.roleHolder.poison(
        'read',
        `expected tail within ${this.size} after head ${this.released} ` +
          `at position ${this.head}, got ${tail}`,
      );
    }
    this.tail = tail;
    return true;
  }

  /** SYNC release: what lies before `position` is the producer's again. @internal */
  protected releaseTo(position: number): void {
    this.released = position;
    this.counters[Counter.recordsRead] = this.count;
    storePosition(this.words, Field.head, position);
  }
}
