import { invalidArgument } from '../errors.js';
import { loadPosition, storePosition } from './atomics.js';
import {
  Field,
  headerBytes,
  maxPayload,
  recordAlignment,
  RecordKind,
  recordBytes,
  recordHeaderBytes,
} from './layout.js';
import type { RingMemory } from './memory.js';
import { checkTimeout, Side } from './side.js';

/**
 * The writing end of a ring. One thread of one process holds it.
 *
 * Owns `tail`. Keeps its own copy of it and a cached `limit` (the consumer's `head` plus
 * the capacity), and reads shared memory only when the cache says full: the idea of
 * rigtorp's SPSCQueue.
 */
export class Producer {
  readonly #side: Side;
  readonly #words: Int32Array;
  readonly #records: Uint8Array;
  readonly #recordWords: Int32Array;
  readonly #capacity: number;
  readonly #mask: number;
  /** Where the next record goes; ahead of the published tail while corked. */
  #tail: number;
  #published: number;
  /** The tail may come up to here before `head` must be looked at again. */
  #limit: number;
  #corked = false;
  /** The longest payload taken; -1 once closed or poisoned, so that one test covers all. */
  #maxLength: number;

  /** @internal Use {@link Ring.producer}. */
  constructor(memory: RingMemory, capacity: number) {
    this.#side = new Side(memory, 'producer');
    this.#words = memory.words;
    this.#records = new Uint8Array(memory.plain, headerBytes, capacity);
    this.#recordWords = new Int32Array(memory.plain, headerBytes, capacity / 4);
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#maxLength = maxPayload(capacity);
    // A ring kept in a file goes on where its last producer left off.
    this.#tail = loadPosition(this.#words, Field.tail);
    this.#published = this.#tail;
    this.#limit = this.#tail;
  }

  /** The longest payload in bytes. */
  get maxLength(): number {
    return maxPayload(this.#capacity);
  }

  get closed(): boolean {
    return this.#side.closed;
  }

  /**
   * Copies one record in and publishes it, unless corked. Does not block or allocate.
   *
   * A crash before the publish leaves nothing; the record is visible whole or not at all.
   *
   * @param source the payload, at most {@link maxLength} bytes; free to reuse afterwards
   * @returns false: the ring is full and nothing was written. What was corked before is
   *   published then, so that the consumer can make room.
   * @throws {ShmError} `ERR_TOO_LARGE`, `ERR_INVALID_ARG`, `ERR_CLOSED`: nothing was
   *   written. `ERR_CORRUPT`: the consumer's position is impossible.
   */
  tryWrite(source: Uint8Array): boolean {
    if (!(source instanceof Uint8Array)) {
      throw invalidArgument('producer.tryWrite', 'source', 'a Uint8Array', source);
    }
    const length = source.length;
    if (length > this.#maxLength) throw this.#refuse(length);
    const size = (length + recordHeaderBytes + recordAlignment - 1) & -recordAlignment;
    let index = this.#tail & this.#mask;
    if (size > this.#capacity - index || size > ((this.#limit - this.#tail) | 0)) {
      index = this.#makeRoom(size);
      if (index < 0) return false;
    }
    const word = index >> 2;
    this.#recordWords[word] = length;
    this.#recordWords[word + 1] = RecordKind.data;
    this.#records.set(source, index + recordHeaderBytes);
    this.#tail = (this.#tail + size) | 0;
    if (!this.#corked) this.#publish();
    return true;
  }

  /**
   * Like {@link tryWrite}, but blocks this thread while the ring is full.
   *
   * @param timeout milliseconds; absent: no limit
   * @returns false: the time ran out and nothing was written
   * @throws {ShmError} besides those of {@link tryWrite}: `ERR_PEER_DIED` where the
   *   consumer was killed, `ERR_PEER_CLOSED` where it closed while the ring is full
   */
  writeSync(source: Uint8Array, timeout?: number): boolean {
    if (this.tryWrite(source)) return true;
    const limit = checkTimeout('producer.writeSync', timeout);
    const size = recordBytes(source.length);
    let index = -1;
    const ready = () => {
      index = this.#makeRoom(size);
      return index >= 0 || this.#side.peerEnded();
    };
    if (!this.#side.waitSync('writeSync', ready, limit)) return false;
    if (index < 0 && this.#makeRoom(size) < 0) {
      throw this.#side.error('ERR_PEER_CLOSED', 'writeSync', 'the ring is full, its consumer gone');
    }
    return this.tryWrite(source);
  }

  /**
   * Holds back publishing until {@link uncork}: many records then cost one publish.
   * They become visible together, or earlier where the ring fills up.
   */
  cork(): void {
    this.#side.checkUsable('cork');
    this.#corked = true;
  }

  /** Publishes what was written since {@link cork}. */
  uncork(): void {
    this.#side.checkUsable('uncork');
    this.#corked = false;
    if (this.#published !== this.#tail) this.#publish();
  }

  /**
   * Publishes what is corked and gives the role up. The consumer sees the end after the
   * last record. A second call does nothing.
   */
  end(): void {
    if (this.#side.closed) return;
    if (this.#maxLength >= 0 && this.#published !== this.#tail) this.#publish();
    this.#maxLength = -1;
    this.#side.close();
  }

  [Symbol.dispose](): void {
    this.end();
  }

  /** SYNC publish, and the waker's side of SYNC park: store `tail`, then look at `waiting`. */
  #publish(): void {
    this.#published = this.#tail;
    storePosition(this.#words, Field.tail, this.#tail);
    this.#side.wakePeer();
  }

  /**
   * The slow way to a place for `size` bytes: looks at `head`, and goes round the end of
   * the ring with a padding record.
   *
   * @returns the index for the record, or -1 where the ring is full
   */
  #makeRoom(size: number): number {
    let tail = this.#tail;
    let index = tail & this.#mask;
    const rest = this.#capacity - index;
    if (size > ((this.#limit - tail) | 0) || size > rest) this.#refreshLimit();
    if (size > rest) {
      if (rest > ((this.#limit - tail) | 0)) return this.#full();
      const word = index >> 2;
      this.#recordWords[word] = rest - recordHeaderBytes;
      this.#recordWords[word + 1] = RecordKind.padding;
      tail = (tail + rest) | 0;
      this.#tail = tail;
      index = 0;
    }
    return size > ((this.#limit - tail) | 0) ? this.#full() : index;
  }

  #full(): -1 {
    if (this.#published !== this.#tail) this.#publish();
    return -1;
  }

  /** SYNC release. What is read is the consumer's word, and so checked before use. */
  #refreshLimit(): void {
    const head = loadPosition(this.#words, Field.head);
    const used = (this.#tail - head) | 0;
    if (used < 0 || used > this.#capacity || used % recordAlignment !== 0) {
      this.#maxLength = -1;
      throw this.#side.poison(
        'tryWrite',
        `expected head within ${this.#capacity} bytes before tail ${this.#tail}, got ${head}`,
      );
    }
    this.#limit = (head + this.#capacity) | 0;
  }

  #refuse(length: number): Error {
    try {
      this.#side.checkUsable('tryWrite');
    } catch (error) {
      return error as Error;
    }
    return this.#side.error(
      'ERR_TOO_LARGE',
      'tryWrite',
      `a record holds at most ${this.maxLength} bytes, got ${length}`,
    );
  }
}
