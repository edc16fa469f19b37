import { types } from 'node:util';
import { invalidArgument, outOfRange } from '../../errors.js';
import {
  Counter,
  maxPayload,
  recordAlignment,
  RecordKind,
  recordBytes,
  recordHeaderBytes,
} from './layout.js';
import { recordViews, type RingMemory } from './memory.js';
import { WaitQueue, type WaitOptions } from './wait-queue.js';
import { RingWriter } from './ring-writer.js';
import type { RoleOptions } from './role-options.js';
import { checkTimeout, parseStrategy } from './wait-strategy.js';

/**
 * The writing end of a ring, from {@link Ring.producer}. One thread of one process holds it.
 *
 * Reserve and commit follow Agrona's ring buffer.
 */
export class Producer extends RingWriter {
  readonly #records: Buffer;
  readonly #recordWords: Int32Array;
  readonly #mask: number;
  #corked = false;
  /** Length of the payload that is reserved; -1 where none is. */
  #reserved = -1;
  /** The longest payload taken; -1 when nothing is, so that one test covers every reason. */
  #maxLength: number;
  #writes: WaitQueue<boolean> | undefined;
  /** What the first of the waiting writes needs. */
  #needed = 0;

  /** @internal Use {@link Ring.producer}. */
  static make(memory: RingMemory, capacity: number, options?: RoleOptions): Producer {
    return new Producer(memory, capacity, options);
  }

  private constructor(memory: RingMemory, capacity: number, options: RoleOptions = {}) {
    super(memory, capacity, { ...options, spin: parseStrategy('ring.producer', options.wait) });
    const { records, recordWords } = recordViews(memory, capacity);
    this.#records = records;
    this.#recordWords = recordWords;
    this.#mask = capacity - 1;
    this.#maxLength = maxPayload(capacity);
  }

  /** The longest payload in bytes. */
  get maxLength(): number {
    return maxPayload(this.size);
  }

  /** Whether the role was given up, by `end()` or with its ring. */
  get closed(): boolean {
    return this.roleHolder.closed;
  }

  /**
   * Copies one record in and publishes it, unless corked. Does not block or allocate.
   *
   * A crash before the publish leaves nothing; the record is visible whole or not at all.
   *
   * @param source the payload, at most {@link maxLength} bytes; free to reuse afterwards
   * @returns false: the ring is full and nothing was written. What was corked before is
   *   published then, so that the consumer can make room.
   * @throws {ShmError} `ERR_TOO_LARGE`, `ERR_INVALID_ARG`, `ERR_CLOSED`, `ERR_RESERVED`
   *   between reserve and commit: nothing was written. `ERR_CORRUPT`: the consumer's
   *   position is impossible. `ERR_TRUNCATED`: the ring's file was cut, and all is lost.
   */
  tryWrite(source: Uint8Array): boolean {
    if (!(source instanceof Uint8Array) && !types.isUint8Array(source)) {
      throw invalidArgument('producer.tryWrite', 'source', 'a Uint8Array', source);
    }
    const length = source.length;
    const index = this.#claim(length);
    if (index < 0) return false;
    this.#records.set(source, index + recordHeaderBytes);
    this.#append(index, length, RecordKind.data);
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
    const limit = checkTimeout('producer.writeSync', timeout);
    if (this.tryWrite(source)) return true;
    const size = recordBytes(source.length);
    const ready = () => this.#makeRoom(size) >= 0 || this.roleHolder.peerEnded();
    if (!this.roleHolder.waitSync('writeSync', ready, limit)) return false;
    return this.tryWrite(source) || this.#failWithoutConsumer('writeSync');
  }

  /**
   * Like {@link tryWrite}, but waits for room without blocking the thread. Writes are done
   * in the order they were asked for.
   *
   * @param source not to be changed before the promise settles
   * @returns false: the time ran out and nothing was written
   * @throws {ShmError} (rejects) as {@link writeSync}; the signal's reason when aborted
   */
  write(source: Uint8Array, options?: WaitOptions): Promise<boolean> {
    this.#writes ??= new WaitQueue<boolean>(
      this.roleHolder,
      'producer.write',
      () => this.#makeRoom(this.#needed) >= 0 || this.roleHolder.peerEnded(),
    );
    const attempt = () => {
      if (this.tryWrite(source)) return true;
      this.#needed = recordBytes(source.length);
      return this.roleHolder.peerEnded() ? this.#failWithoutConsumer('write') : undefined;
    };
    return this.#writes.add(attempt, false, options);
  }

  /**
   * Reserves room for a record to be filled in place: no copy. Until {@link commit} or
   * {@link abort} nothing else can be written.
   *
   * @param length bytes, at most {@link maxLength}
   * @returns the record's payload, with whatever bytes lay there before; not to be touched
   *   after the commit. Null: the ring is full.
   * @throws {ShmError} as {@link tryWrite}
   */
  reserve(length: number): Uint8Array | null {
    if (!Number.isInteger(length) || length < 0) {
      throw outOfRange('producer.reserve', 'length', 'a whole number of at least 0', length);
    }
    const index = this.#claim(length);
    if (index < 0) return null;
    this.#hold(length);
    const start = index + recordHeaderBytes;
    return this.#records.subarray(start, start + length);
  }

  /**
   * Makes the reserved record readable, unless corked.
   *
   * @param length how much of it was used. @default all of it
   * @throws {ShmError} `ERR_NOT_RESERVED`; `ERR_OUT_OF_RANGE` where `length` is more than
   *   was reserved, which stays reserved then
   */
  commit(length: number = this.#reserved): void {
    if (this.#reserved < 0) {
      this.roleHolder.checkUsable('commit');
      throw this.roleHolder.error('ERR_NOT_RESERVED', 'commit', 'there is nothing to commit');
    }
    if (!Number.isInteger(length) || length < 0 || length > this.#reserved) {
      const bounds = `a whole number from 0 to ${this.#reserved}`;
      throw outOfRange('producer.commit', 'length', bounds, length);
    }
    this.#letGo();
    this.#append(this.tail & this.#mask, length, RecordKind.data);
  }

  /** Gives the reserved room back; nothing is written. Without a reservation, nothing happens. */
  abort(): void {
    if (this.#reserved >= 0) this.#letGo();
  }

  /**
   * Holds back publishing until {@link uncork}: many records then cost one publish.
   * They become visible together, or earlier where the ring fills up.
   */
  cork(): void {
    this.roleHolder.checkUsable('cork');
    this.#corked = true;
  }

  /** Publishes what was written since {@link cork}. */
  uncork(): void {
    this.roleHolder.checkUsable('uncork');
    this.#corked = false;
    if (this.published !== this.tail) this.publishTail();
  }

  /**
   * Publishes what is corked and gives the role up; a reservation is aborted, waiting
   * writes are rejected. The consumer sees the end after the last record. A second call
   * does nothing.
   */
  end(): void {
    if (this.roleHolder.closed) return;
    this.abort();
    if (this.#maxLength >= 0 && this.published !== this.tail) this.storeTail();
    this.#maxLength = -1;
    this.roleHolder.close();
    this.#writes?.close(this.roleHolder.error('ERR_CLOSED', 'write', 'the producer ended'));
  }

  /** The same as `end()`, for `using`. */
  [Symbol.dispose](): void {
    this.end();
  }

  /** @internal Whether a record of `length` bytes would go in now. */
  hasRoom(length: number): boolean {
    return this.#makeRoom(recordBytes(length)) >= 0;
  }

  /**
   * @internal Reserves as much as lies in one piece, at least `least` bytes, and returns it as a
   * range of {@link records}, without making a view. -1: there is not enough room.
   */
  tryReserveRange(least: number): number {
    if (least > this.#maxLength) return -1;
    const index = this.#claim(least);
    if (index < 0) return -1;
    const room = Math.min(this.size - index, (this.limit - this.tail) | 0);
    this.#hold(Math.min(room - recordHeaderBytes, maxPayload(this.size)));
    return index + recordHeaderBytes;
  }

  /** @internal As {@link commit}, of a record of a kind that only channels have. */
  commitPiece(length: number, kind: number): void {
    this.#letGo();
    this.#append(this.tail & this.#mask, length, kind);
  }

  /** @internal Bytes reserved. */
  get reserved(): number {
    return this.#reserved;
  }

  /** @internal The record area. */
  get records(): Buffer {
    return this.#records;
  }

  /** Index for a record of `length` payload bytes, or -1 where the ring is full. */
  #claim(length: number): number {
    if (length > this.#maxLength) throw this.#refuse(length);
    const size = (length + recordHeaderBytes + recordAlignment - 1) & -recordAlignment;
    const index = this.tail & this.#mask;
    if (size <= this.size - index && size <= this.room) return index;
    const found = this.#makeRoom(size);
    if (found < 0) this.counters[Counter.fullCount]!++;
    return found;
  }

  #append(index: number, length: number, kind: number): void {
    const word = index >> 2;
    this.#recordWords[word] = length;
    this.#recordWords[word + 1] = kind;
    this.tail =
      (this.tail + ((length + recordHeaderBytes + recordAlignment - 1) & -recordAlignment)) | 0;
    this.count++;
    if (!this.#corked) this.publishTail();
  }

  /** While a record is reserved, every other way in is refused by its length. */
  #hold(length: number): void {
    this.#reserved = length;
    this.#maxLength = -1;
  }

  #letGo(): void {
    this.#reserved = -1;
    this.#maxLength = maxPayload(this.size);
  }

  /**
   * The slow way to a place for `size` bytes: looks at `head`, and goes round the end of
   * the ring with a padding record.
   *
   * @returns the index for the record, or -1 where the ring is full
   */
  #makeRoom(size: number): number {
    if (this.#reserved >= 0) return -1; // the tail must not move under a reservation
    let tail = this.tail;
    let index = tail & this.#mask;
    const rest = this.size - index;
    if (size > ((this.limit - tail) | 0) || size > rest) this.#refreshLimit();
    if (size > rest) {
      if (rest > ((this.limit - tail) | 0)) return this.#full();
      const word = index >> 2;
      this.#recordWords[word] = rest - recordHeaderBytes;
      this.#recordWords[word + 1] = RecordKind.padding;
      tail = (tail + rest) | 0;
      this.tail = tail;
      index = 0;
    }
    return size > ((this.limit - tail) | 0) ? this.#full() : index;
  }

  #full(): -1 {
    if (this.published !== this.tail) this.publishTail();
    return -1;
  }

  #refreshLimit(): void {
    try {
      this.refreshLimit('tryWrite', recordAlignment);
    } catch (error) {
      this.#maxLength = -1;
      throw error;
    }
  }

  #failWithoutConsumer(operation: string): never {
    const detail = 'the ring is full, its consumer gone';
    throw this.roleHolder.error('ERR_PEER_CLOSED', operation, detail);
  }

  #refuse(length: number): Error {
    try {
      this.roleHolder.checkUsable('write');
    } catch (error) {
      return error as Error;
    }
    if (this.#reserved >= 0) {
      return this.roleHolder.error(
        'ERR_RESERVED',
        'write',
        'commit or abort the reserved record first',
      );
    }
    return this.roleHolder.error(
      'ERR_TOO_LARGE',
      'write',
      `a record holds at most ${this.maxLength} bytes, got ${length}`,
    );
  }
}
