import { invalidArgument } from '../errors.js';
import { loadPosition, storePosition } from './atomics.js';
import {
  Field,
  headerBytes,
  recordAlignment,
  RecordKind,
  recordBytes,
  recordHeaderBytes,
} from './layout.js';
import type { RingMemory } from './memory.js';
import { checkTimeout, Side } from './side.js';

/**
 * Called once per record by {@link Consumer.drain}: the payload is `length` bytes from
 * `offset` on, valid during the call only.
 */
export type RecordHandler = (bytes: Buffer, offset: number, length: number) => void;

/**
 * A record left where it lies in the ring, from {@link Consumer.borrow}: `length` bytes
 * from `offset` on in `Ring.buffer`. Valid until released.
 */
export interface Loan {
  /** Bytes from the start of `Ring.buffer`; what to tell a thread that has the buffer. */
  readonly offset: number;
  readonly length: number;
  /** The payload, in place. Do not keep it beyond {@link release}. */
  readonly bytes: Uint8Array;
  /** Gives the space back to the producer. A second call does nothing. */
  release(): void;
}

/**
 * The reading end of a ring. One thread of one process holds it.
 *
 * Owns `head`. Keeps its own copy of it and a cached copy of `tail`, and reads shared
 * memory only when the cache says empty.
 */
export class Consumer {
  readonly #side: Side;
  readonly #words: Int32Array;
  readonly #records: Buffer;
  readonly #recordWords: Int32Array;
  readonly #capacity: number;
  readonly #mask: number;
  #head: number;
  #released: number;
  #tail: number;
  #ended = false;
  /** Positions of the records on loan, oldest first; the head cannot go beyond the first. */
  readonly #loans: { position: number }[] = [];

  /** @internal Use {@link Ring.consumer}. */
  constructor(memory: RingMemory, capacity: number) {
    this.#side = new Side(memory, 'consumer');
    this.#words = memory.words;
    this.#records = Buffer.from(memory.plain, headerBytes, capacity);
    this.#recordWords = new Int32Array(memory.plain, headerBytes, capacity / 4);
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    // A ring kept in a file goes on where its last consumer left off.
    this.#head = loadPosition(this.#words, Field.head);
    this.#released = this.#head;
    this.#tail = this.#head;
  }

  get closed(): boolean {
    return this.#side.closed;
  }

  /** The producer ended and every record has been read. */
  get ended(): boolean {
    return this.#ended || this.#checkEnd();
  }

  /**
   * Calls the handler for each record there is, in order. Copies and allocates nothing.
   * The space of handled records goes back to the producer as the drain proceeds.
   *
   * A handler that throws ends the drain; its record counts as read, later ones stay.
   *
   * @param limit at most so many records. @default all that are there
   * @returns how many records were handled; 0: the ring is empty
   * @throws {ShmError} `ERR_CORRUPT`, `ERR_CLOSED`, `ERR_INVALID_ARG`; and what the
   *   handler throws
   */
  drain(handler: RecordHandler, limit = Number.POSITIVE_INFINITY): number {
    if (typeof handler !== 'function') {
      throw invalidArgument('consumer.drain', 'handler', 'a function', handler);
    }
    this.#side.checkUsable('drain');
    // Room goes back in steps, so that the producer refills while the drain goes on.
    const step = this.#capacity >> 2;
    let count = 0;
    try {
      while (count < limit) {
        const length = this.#next();
        if (length < 0) break;
        const offset = (this.#head & this.#mask) + recordHeaderBytes;
        this.#head = (this.#head + recordBytes(length)) | 0;
        count++;
        handler(this.#records, offset, length);
        if (((this.#head - this.#released) | 0) >= step) this.#release();
      }
    } finally {
      if (this.#released !== this.#head) this.#release();
    }
    return count;
  }

  /**
   * Takes one record out. Does not block.
   *
   * @returns a copy of the payload, yours to keep; null: the ring is empty
   * @throws {ShmError} `ERR_CORRUPT`, `ERR_CLOSED`
   */
  tryRead(): Uint8Array | null {
    this.#side.checkUsable('tryRead');
    const length = this.#next();
    if (length < 0) {
      if (this.#released !== this.#head) this.#release();
      return null;
    }
    const offset = (this.#head & this.#mask) + recordHeaderBytes;
    const copy = new Uint8Array(length);
    copy.set(this.#records.subarray(offset, offset + length));
    this.#head = (this.#head + recordBytes(length)) | 0;
    this.#release();
    return copy;
  }

  /**
   * Takes one record without copying it: it stays in the ring, out of the producer's
   * reach, until released. Several may be on loan, and come back in any order; space
   * returns to the producer in the order of the ring.
   *
   * The way to work on a record asynchronously, or in another thread: hand the thread
   * `Ring.buffer` once, then `offset` and `length` with each task.
   *
   * @returns null: the ring is empty
   * @throws {ShmError} `ERR_CORRUPT`, `ERR_CLOSED`
   */
  borrow(): Loan | null {
    this.#side.checkUsable('borrow');
    const length = this.#next();
    if (length < 0) return null;
    const start = (this.#head & this.#mask) + recordHeaderBytes;
    const entry = { position: this.#head };
    this.#loans.push(entry);
    this.#head = (this.#head + recordBytes(length)) | 0;
    return {
      offset: headerBytes + start,
      length,
      bytes: this.#records.subarray(start, start + length),
      release: () => {
        const at = this.#loans.indexOf(entry);
        if (at < 0) return;
        this.#loans.splice(at, 1);
        if (at === 0 && !this.#side.closed) this.#release();
      },
    };
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
    return this.waitSync(timeout) ? this.tryRead() : null;
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
    this.#side.checkUsable('waitSync');
    const ready = () => this.#available() || this.#checkEnd();
    return this.#side.waitSync('waitSync', ready, limit) && !this.#ended;
  }

  /** Gives the role up. Unread records stay in the ring. A second call does nothing. */
  close(): void {
    this.#side.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether a record can be read; skips padding. */
  #available(): boolean {
    const there = this.#next() >= 0;
    if (!there && this.#released !== this.#head) this.#release();
    return there;
  }

  /** SYNC publish: `ended` is stored after the last `tail`, so it is loaded before it. */
  #checkEnd(): boolean {
    if (!this.#ended && this.#side.peerEnded() && !this.#available()) this.#ended = true;
    return this.#ended;
  }

  /**
   * Length of the record at `head`, or -1 where the ring is empty; goes over padding.
   * The header is the producer's word: each field is read once and checked before use.
   */
  #next(): number {
    for (;;) {
      if (this.#head === this.#tail && !this.#refreshTail()) return -1;
      const index = this.#head & this.#mask;
      const length = this.#recordWords[index >> 2] as number;
      const kind = this.#recordWords[(index >> 2) + 1] as number;
      const size = recordBytes(length);
      if (
        length < 0 ||
        length > this.#capacity ||
        size > ((this.#tail - this.#head) | 0) ||
        size > this.#capacity - index
      ) {
        throw this.#corrupt(`expected a length within ${this.#capacity - index}`, length);
      }
      if (kind === RecordKind.data) return length;
      if (kind !== RecordKind.padding) throw this.#corrupt('expected a record kind', kind);
      this.#head = (this.#head + size) | 0;
    }
  }

  /** SYNC publish. False: nothing new. */
  #refreshTail(): boolean {
    const tail = loadPosition(this.#words, Field.tail);
    if (tail === this.#head) return false;
    const used = (tail - this.#head) | 0;
    if (used < 0 || used > this.#capacity || used % recordAlignment !== 0) {
      throw this.#corrupt(`expected tail within ${this.#capacity} after head ${this.#head}`, tail);
    }
    this.#tail = tail;
    return true;
  }

  /** SYNC release, and the waker's side of SYNC park. */
  #release(): void {
    this.#released = this.#loans.length === 0 ? this.#head : this.#loans[0]!.position;
    storePosition(this.#words, Field.head, this.#released);
    this.#side.wakePeer();
  }

  #corrupt(expected: string, got: number): Error {
    const where = `at position ${this.#head}`;
    return this.#side.poison('read', `${expected} ${where}, got ${got}`);
  }
}
