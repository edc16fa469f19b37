import { ShmError } from '../../errors.js';
import { stateChanges } from '../../native/addon.js';
import type { Region } from '../../native/region.js';
import { loadWord } from './atomics.js';
import { Field, minCapacity, ringHeaderBytes } from './layout.js';
import { RegionLocks } from './region-locks.js';

/** The two roles of a ring; each is held by one thread of one process. */
export type Role = 'producer' | 'consumer';

/**
 * What a ring needs of the memory it lies in. The ring itself is plain JavaScript over
 * two views; only sleeping, waking and the locks of the roles go through here.
 */
export interface RingMemory {
  /** The ring's bytes from its header on, for Atomics. */
  readonly words: Int32Array;
  /** The same bytes, for plain access to records. */
  readonly plain: Uint8Array<ArrayBuffer>;
  /** What errors call it. */
  readonly address: string;
  /**
   * Milliseconds that opening a ring blocks while its header is still being made. 0 for what a peer
   * has offered, which could hold this thread up by it.
   *
   * @default 100
   */
  readonly patience?: number | undefined;
  /** Blocks while the header word is `expected`; false after `timeout` milliseconds. */
  wait(field: number, expected: number, timeout: number): boolean;
  wake(field: number): void;
  /** Takes the role's lock if it is free. The kernel drops it when the holder dies. */
  tryLock(role: Role): boolean;
  unlock(role: Role): void;
  /** Whether anyone holds the role's lock, this memory object included. */
  isLocked(role: Role): boolean;
  /** One word, which changes when pages of some memory were lost: ask `fault` then. */
  readonly changes: Int32Array;
  /** Why pages are lost: the file was cut short, or its file system failed. */
  fault(operation: string): ShmError | undefined;
  /** The same, with a look at the file, which may have been cut within a page, or grown again. */
  cut(operation: string): ShmError | undefined;
  /** The last word of the file: where that is cut, it is lost or has another value. */
  readonly last: Int32Array;
  /** Its value, where it has one. */
  readonly lastValue: number | undefined;
  /** Enters the first bytes, which have been checked, into the page table; a hint. */
  populate(bytes: number): void;
  /** @param discard see {@link Region.close} */
  close(discard: boolean): void;
}

/** The record area of a ring, as its two ends see it: their payloads, and their headers. */
export function recordViews(
  { plain: { buffer, byteOffset } }: RingMemory,
  capacity: number,
): { records: Buffer; recordWords: Int32Array } {
  const start = byteOffset + ringHeaderBytes;
  return {
    records: Buffer.from(buffer, start, capacity),
    recordWords: new Int32Array(buffer, start, capacity / 4),
  };
}

// Byte locks lie beyond any content, so that mandatory locks (Windows) hinder no access.
export const firstLock = 2 ** 52;

/** The byte locks of the roles of a ring that begins at an offset of its file. */
export const roleLocks = (offset: number): Record<Role, number> => ({
  producer: firstLock + offset,
  consumer: firstLock + offset + 1,
});

/** A ring in a region, from `offset` on: between processes. */
export class RegionMemory implements RingMemory {
  readonly words: Int32Array;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly address: string;
  readonly patience: number | undefined;
  readonly #region: Region;
  readonly #locks: RegionLocks;
  readonly #lockOf: Record<Role, number>;
  readonly #offset: number;
  readonly changes = stateChanges;
  readonly last: Int32Array;
  lastValue: number | undefined;

  constructor(region: Region, offset = 0, bytes = region.bytes.length - offset, patience?: number) {
    this.#region = region;
    this.patience = patience;
    this.#offset = offset;
    this.#locks = new RegionLocks(region);
    this.#lockOf = roleLocks(offset);
    this.words = new Int32Array(region.buffer, offset, Math.floor(bytes / 4));
    this.plain = region.bytes.subarray(offset, offset + bytes);
    this.address = region.path;
    const words = Math.floor(region.bytes.length / 4);
    // Of a file that was cut to a few bytes there is none.
    const last = Math.max(0, words - 1);
    this.last = new Int32Array(region.bytes.buffer, 4 * last, words - last);
  }

  /** From now on the last word is what it was found to be. @throws {ShmError} `ERR_TRUNCATED` */
  guard(): void {
    const magic = loadWord(this.words, Field.magic);
    if (this.last[0] !== magic) {
      const detail = `expected the magic ${magic} at the file's end, got ${this.last[0]!}: it was cut`;
      throw new ShmError('ERR_TRUNCATED', detail, 'ring.open', this.address);
    }
    this.lastValue = magic;
  }

  wait(field: number, expected: number, timeout: number): boolean {
    return this.#region.wait(this.#offset + field * 4, expected, timeout);
  }

  wake(field: number): void {
    this.#region.wake(this.#offset + field * 4, 1);
  }

  tryLock(role: Role): boolean {
    return this.#locks.tryLock(this.#lockOf[role]);
  }

  unlock(role: Role): void {
    this.#locks.unlock(this.#lockOf[role]);
  }

  isLocked(role: Role): boolean {
    return this.#locks.isLocked(this.#lockOf[role]);
  }

  fault(operation: string): ShmError | undefined {
    return this.#region.fault(operation);
  }

  cut(operation: string): ShmError | undefined {
    const cut = this.#region.cut(operation);
    if (cut || this.#region.closed) return cut;
    const isWhole = this.lastValue === undefined || this.last[0] === this.lastValue;
    if (isWhole && loadWord(this.words, Field.magic) !== 0) return undefined;
    const detail =
      'expected the ring that was there, got zeros: its file was cut, and has grown again';
    return new ShmError('ERR_TRUNCATED', detail, operation, this.address);
  }

  populate(bytes: number): void {
    this.#region.populate(this.#offset, bytes);
  }

  close(discard: boolean): void {
    this.#region.close(discard);
  }
}

/**
 * Two rings of one size, one after the other, in one region.
 *
 * @param patience see {@link RingMemory.patience}
 * @throws {ShmError} `ERR_CORRUPT` where no two rings can fill it
 */
export function halves(region: Region, patience?: number): [RegionMemory, RegionMemory] {
  const bytes = region.bytes.length / 2;
  if (bytes % 8 !== 0 || bytes < ringHeaderBytes + minCapacity) {
    const detail = `expected two rings of one size, got ${2 * bytes} bytes`;
    throw new ShmError('ERR_CORRUPT', detail, 'region.open', region.path);
  }
  return [
    new RegionMemory(region, 0, bytes, patience),
    new RegionMemory(region, bytes, bytes, patience),
  ];
}
