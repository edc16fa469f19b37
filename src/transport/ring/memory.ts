import { ShmError } from '../../errors.js';
import type { Region } from '../../native/region.js';
import { replaceWord, storeWord, waitInProcess, wakeInProcess } from './atomics.js';
import { Field } from './layout.js';

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
  /** Blocks while the header word is `expected`; false after `timeout` milliseconds. */
  wait(field: number, expected: number, timeout: number): boolean;
  wake(field: number): void;
  /** Takes the role's lock if it is free. The kernel drops it when the holder dies. */
  tryLock(role: Role): boolean;
  unlock(role: Role): void;
  /** Whether anyone holds the role's lock, this memory object included. */
  isLocked(role: Role): boolean;
  close(): void;
}

// Byte locks lie beyond any content, so that mandatory locks (Windows) hinder no access.
export const firstLock = 2 ** 52;

/** The byte locks of the roles of a ring that begins at an offset of its file. */
export const roleLocks = (offset: number): Record<Role, number> => ({
  producer: firstLock + offset,
  consumer: firstLock + offset + 1,
});

/** Where the second of two rings may begin: its header has 64-bit counters, on lines of 128 bytes. */
const pairAlignment = 128;

/** A ring in a region, from `offset` on: between processes. */
export class RegionMemory implements RingMemory {
  readonly words: Int32Array;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly address: string;
  readonly #region: Region;
  readonly #locks: Record<Role, number>;
  // A lock belongs to the open file, which does not see its own locks as taken.
  readonly #held = new Set<Role>();
  readonly #offset: number;

  constructor(region: Region, offset = 0, bytes = region.bytes.length - offset) {
    this.#region = region;
    this.#offset = offset;
    this.#locks = roleLocks(offset);
    this.words = new Int32Array(region.buffer, offset, bytes >> 2);
    this.plain = region.bytes.subarray(offset, offset + bytes);
    this.address = region.path;
  }

  wait(field: number, expected: number, timeout: number): boolean {
    return this.#region.wait(this.#offset + field * 4, expected, timeout);
  }

  wake(field: number): void {
    this.#region.wake(this.#offset + field * 4, 1);
  }

  tryLock(role: Role): boolean {
    if (this.#held.has(role) || !this.#region.tryLock(this.#locks[role])) return false;
    this.#held.add(role);
    return true;
  }

  unlock(role: Role): void {
    if (this.#held.delete(role)) this.#region.unlock(this.#locks[role]);
  }

  isLocked(role: Role): boolean {
    return this.#held.has(role) || this.#region.isLocked(this.#locks[role]);
  }

  close(): void {
    this.#region.close();
  }
}

/**
 * Two rings of one size, one after the other, in one region.
 *
 * @throws {ShmError} `ERR_CORRUPT` where no two rings can have that size
 */
export function halves(region: Region): [RegionMemory, RegionMemory] {
  const { length } = region.bytes;
  const bytes = length / 2;
  if (bytes % pairAlignment !== 0) {
    const detail = `expected two rings of one size, got ${length} bytes`;
    throw new ShmError('ERR_CORRUPT', detail, 'ring.open', region.path);
  }
  return [new RegionMemory(region, 0, bytes), new RegionMemory(region, bytes, bytes)];
}

/** A ring in JavaScript's own memory: for tests without native code. */
export class HeapMemory implements RingMemory {
  readonly words: Int32Array;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly address = 'heap';
  static readonly #lockField: Record<Role, number> = {
    producer: Field.producerLock,
    consumer: Field.consumerLock,
  };

  constructor(buffer: SharedArrayBuffer, offset = 0, bytes = buffer.byteLength - offset) {
    this.words = new Int32Array(buffer, offset, bytes >> 2);
    // Typed arrays take either kind of buffer; the cast only spares a second type everywhere.
    this.plain = new Uint8Array(buffer as unknown as ArrayBuffer, offset, bytes);
  }

  wait(field: number, expected: number, timeout: number): boolean {
    return waitInProcess(this.words, field, expected, timeout);
  }

  wake(field: number): void {
    wakeInProcess(this.words, field);
  }

  tryLock(role: Role): boolean {
    return replaceWord(this.words, HeapMemory.#lockField[role], 0, 1);
  }

  unlock(role: Role): void {
    storeWord(this.words, HeapMemory.#lockField[role], 0);
  }

  isLocked(role: Role): boolean {
    return !replaceWord(this.words, HeapMemory.#lockField[role], 0, 0);
  }

  close(): void {}
}
