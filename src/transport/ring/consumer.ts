import { invalidArgument, outOfRange } from '../../errors.js';
import { keepFreedHeap } from '../../native/heap.js';
import { recordHeaderBytes } from './layout.js';
import { iterate } from './iterate.js';
import type { RingMemory } from './memory.js';
import type { RoleOptions } from './role-options.js';
import type { BorrowedRecord, RecordHandler } from './record-handlers.js';
import { WaitQueue, type WaitOptions } from './wait-queue.js';
import { none, RecordReader } from './record-reader.js';
import { checkTimeout, parseStrategy } from './wait-strategy.js';

/**
 * A drain gives room back after this many bytes at the latest; one store per long record is cheap.
 */
const releaseStep = 16 * 1024;

/** After this many bytes of pieces a drain lets others have their turn, as after its limit. */
const mostCollected = 1024 * 1024;

/**
 * The reading end of a ring, from {@link Ring.consumer}. One thread of one process holds it.
 *
 * @example
 * const consumer = Ring.open('queue.ring').consumer();
 * const count = consumer.drain((bytes, offset, length) => {
 *   console.log(bytes.toString('utf8', offset, offset + length)); // in place, within the call
 * });
 */
export class Consumer extends RecordReader {
  #ended = false;
  #draining = false;
  /** The record that `peek` showed and `release` gives back. */
  #peeked: BorrowedRecord | undefined;
  #reads: WaitQueue<Uint8Array | null> | undefined;

  /** @internal Use {@link Ring.consumer}. */
  static make(memory: RingMemory, capacity: number, options?: RoleOptions): Consumer {
    return new Consumer(memory, capacity, options);
  }

  private constructor(memory: RingMemory, capacity: number, options: RoleOptions = {}) {
    const spin = parseStrategy('ring.consumer', options.wait);
    super(memory, capacity, { ...options, spin }, options.pieces);
  }

  /** Whether the role was given up, by `close()` or with its ring. */
  get closed(): boolean {
    return this.roleHolder.closed;
  }

  /** The producer ended and every record has been read. */
  get ended(): boolean {
    return this.#ended || (!this.roleHolder.closed && this.#checkEnd());
  }

  /**
   * Calls the handler for each record there is, in order. Copies and allocates nothing.
   * The space of handled records goes back to the producer as the drain proceeds.
   *
   * A handler that throws ends the drain; its record counts as read, later ones stay.
   *
   * @param limit the most records to hand over. @default all that are there
   * @returns how many records were handled; 0: the ring is empty
   * @throws {ShmError} `ERR_CORRUPT`, `ERR_CLOSED`, `ERR_INVALID_ARG`; and what the
   *   handler throws
   */
  drain(handler: RecordHandler, limit = Number.POSITIVE_INFINITY): number {
    if (typeof handler !== 'function') {
      throw invalidArgument('consumer.drain', 'handler', 'a function', handler);
    }
    if (typeof limit !== 'number' || !(limit >= 0)) {
      throw outOfRange('consumer.drain', 'limit', 'a number of at least 0', limit);
    }
    this.roleHolder.checkUsable('drain');
    // Room goes back in steps, so that the producer refills while the drain goes on.
    const step = Math.min(this.size >> 2, releaseStep);
    let count = 0;
    let collected = 0;
    this.#draining = true;
    try {
      while (count < limit && collected < mostCollected) {
        const length = this.next();
        if (length === none) break;
        let wantsMore = true;
        if (length >= 0) {
          const offset = this.take(length);
          count++;
          wantsMore = handler(this.records, offset, length) !== false;
        } else {
          collected += none - length + recordHeaderBytes;
          const whole = this.collect(none - 1 - length);
          if (whole) count++;
          if (whole) wantsMore = handler(whole, 0, whole.length) !== false;
        }
        if (!wantsMore || this.roleHolder.closed) break; // closed by the handler
        if (((this.head - this.released) | 0) >= step) {
          this.roleHolder.checkMemory('drain');
          this.giveBack();
        }
      }
    } finally {
      this.#draining = false;
      if (this.released !== this.head && !this.roleHolder.closed) this.giveBack();
    }
    return count;
  }

  /**
   * Takes one record out. Does not block.
   *
   * The record is given back before the copy is handed out: a consumer killed between the
   * two has lost it. `drain`, `peek` and `borrow` give it back after it was handled.
   *
   * @returns a copy of the payload, yours to keep; null: the ring is empty
   * @throws {ShmError} `ERR_CORRUPT`, `ERR_CLOSED`; `ERR_TRUNCATED`: somebody cut the ring's
   *   file, and what was in it is lost
   */
  tryRead(): Uint8Array | null {
    this.roleHolder.checkUsable('tryRead');
    const length = this.next();
    return length < 0 ? null : this.#copyOut(length);
  }

  /**
   * Like {@link tryRead}, but blocks this thread while the ring is empty.
   *
   * @param timeout milliseconds; absent: no limit
   * @returns a copy of the payload; null: the producer ended (see {@link ended}) or the
   *   time ran out
   * @throws {ShmError} besides those of {@link tryRead}: `ERR_PEER_DIED` where the
   *   producer was killed; what it had committed is delivered first
   */
  readSync(timeout?: number): Uint8Array | null {
    const limit = checkTimeout('consumer.readSync', timeout);
    this.roleHolder.checkUsable('readSync');
    let length = this.next();
    if (length < 0) {
      if (!this.roleHolder.waitSync('readSync', this.#ready, limit) || this.#ended) return null;
      length = this.next();
    }
    return this.#copyOut(length);
  }

  /**
   * Blocks this thread until there is a record to read.
   *
   * @param timeout milliseconds; absent: no limit
   * @returns false: the producer ended (see {@link ended}) or the time ran out
   * @throws {ShmError} as {@link readSync}
   */
  waitSync(timeout?: number): boolean {
    const limit = checkTimeout('consumer.waitSync', timeout);
    this.roleHolder.checkUsable('waitSync');
    return this.roleHolder.waitSync('waitSync', this.#ready, limit) && !this.#ended;
  }

  /**
   * Like {@link tryRead}, but waits for a record without blocking the thread. Reads are
   * served in the order they were asked for.
   *
   * @returns a copy of the payload; null: the producer ended (see {@link ended}) or the
   *   time ran out
   * @throws {ShmError} (rejects) as {@link readSync}; the signal's reason when aborted
   */
  read(options?: WaitOptions): Promise<Uint8Array | null> {
    this.#reads ??= new WaitQueue(this.roleHolder, 'consumer.read', this.#ready);
    const attempt = () => this.tryRead() ?? (this.#checkEnd() ? null : undefined);
    return this.#reads.add(attempt, null, options);
  }

  /** The records as they come, each a copy, until the producer ends. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return iterate(async options => {
      const value = await this.read(options);
      return value && { value };
    });
  }

  /**
   * Shows the next record in place: no copy. It stays the next one until {@link release}.
   *
   * @returns the payload, valid until `release`; null: the ring is empty
   * @throws {ShmError} `ERR_CORRUPT`, `ERR_CLOSED`
   */
  peek(): Uint8Array | null {
    this.#peeked ??= this.borrow() ?? undefined;
    return this.#peeked?.bytes ?? null;
  }

  /** Gives the peeked record's space back to the producer. Without one, nothing happens. */
  release(): void {
    this.#peeked?.release();
    this.#peeked = undefined;
  }

  /**
   * Takes one record without copying it: it stays in the ring, out of the producer's
   * reach, until released. Several may be borrowed, and come back in any order; space
   * returns to the producer in the order of the ring.
   *
   * The way to work on a record asynchronously, or in another thread: hand the thread
   * `Ring.buffer` once, then `offset` and `length` with each task. A consumer that closes
   * or dies leaves borrowed records to the next one.
   *
   * @returns null: the ring is empty
   * @throws {ShmError} `ERR_CORRUPT`, `ERR_CLOSED`
   */
  borrow(): BorrowedRecord | null {
    this.roleHolder.checkUsable('borrow');
    const length = this.next();
    if (length < 0) return null;
    const entry = { position: this.head };
    const start = this.take(length);
    this.borrowed.push(entry);
    return {
      offset: this.records.byteOffset + start,
      length,
      bytes: this.records.subarray(start, start + length),
      release: () => {
        const at = this.borrowed.indexOf(entry);
        if (at < 0) return;
        this.borrowed.splice(at, 1);
        if (at === 0 && !this.roleHolder.closed) this.giveBack();
      },
    };
  }

  /**
   * Gives the role up; waiting reads are rejected. Unread records stay in the ring. A
   * second call does nothing.
   */
  close(): void {
    if (this.roleHolder.closed) return;
    if (this.released !== this.head) this.giveBack(); // called from within a drain
    this.roleHolder.close();
    this.#reads?.close(this.roleHolder.error('ERR_CLOSED', 'read', 'the consumer was closed'));
  }

  /** @internal Resolves once `drain` would find something; null: the end. */
  readable(options?: WaitOptions): Promise<Uint8Array | null> {
    this.#reads ??= new WaitQueue(this.roleHolder, 'consumer.read', this.#ready);
    const attempt = () => {
      this.roleHolder.checkUsable('read');
      return this.next() === none ? (this.#checkEnd() ? null : undefined) : this.bytes;
    };
    return this.#reads.add(attempt, null, options);
  }

  /** @internal Whether somebody still reads records in place: a handler, or a borrower. */
  get inUse(): boolean {
    return this.#draining || this.borrowed.length > 0;
  }

  /** The same as `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal Whether there is a record, or the end. */
  readonly #ready = () => this.next() !== none || this.#checkEnd();

  /** @internal */
  get ready(): () => boolean {
    return this.#ready;
  }

  /** The state is loaded before the ring is looked at again: `ended` is stored last. */
  #checkEnd(): boolean {
    if (!this.#ended && this.roleHolder.peerEnded() && this.next() === none) this.#ended = true;
    return this.#ended;
  }

  /** @internal For a record that was used where it lies. @throws {ShmError} `ERR_TRUNCATED` */
  checkMemory(): void {
    this.roleHolder.checkMemory('read');
  }

  #copyOut(length: number): Uint8Array {
    const offset = this.take(length);
    keepFreedHeap(length);
    // A Uint8Array's `slice` copies, and in less than half the time of other ways.
    const copy = this.bytes.slice(offset, offset + length);
    if (this.isKept) this.roleHolder.checkWhole('read');
    else this.roleHolder.checkMemory('read');
    this.giveBack();
    return copy;
  }
}
