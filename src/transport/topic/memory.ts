import { ShmError } from '../../errors.js';
import { stateChanges } from '../../native/addon.js';
import type { Region } from '../../native/region.js';
import { loadWord } from '../ring/atomics.js';
import { firstLock } from '../ring/memory.js';
import { RegionLocks } from '../ring/region-locks.js';
import { Field, headerBytes, topicMagic } from './layout.js';

/** Byte locks: 0 is the publisher's, those behind it are the readers'. */
export const publisherLock = 0;
export const readerLock = (slot: number): number => 1 + slot;

/** Where a topic's lock lies in its file: beyond any content. */
export const lockOffset = (lock: number): number => firstLock + lock;

/** What a topic needs of the memory it lies in; all else is plain JavaScript over two views. */
export interface TopicMemory {
  /** All bytes, for Atomics. */
  readonly words: Int32Array;
  /** The same bytes, for plain access. */
  readonly plain: Uint8Array<ArrayBuffer>;
  /** What errors call it. */
  readonly address: string;
  readonly changes: Int32Array;
  wait(field: number, expected: number, timeout: number): void;
  wake(field: number): void;
  tryLock(lock: number): boolean;
  unlock(lock: number): void;
  /** Whether anyone holds the lock, this object included. */
  isLocked(lock: number): boolean;
  /** Why pages are lost; to be asked when `changes` has changed. */
  fault(operation: string): ShmError | undefined;
  /** The same, with a look at the file. */
  cut(operation: string): ShmError | undefined;
  close(discard: boolean): void;
}

/** A topic in a region. */
export class RegionTopicMemory implements TopicMemory {
  readonly words: Int32Array;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly address: string;
  readonly changes = stateChanges;
  readonly #region: Region;
  readonly #locks: RegionLocks;

  constructor(region: Region) {
    this.#region = region;
    this.#locks = new RegionLocks(region);
    this.words = new Int32Array(region.buffer, 0, Math.floor(region.bytes.length / 4));
    this.plain = region.bytes;
    this.address = region.path;
  }

  wait(field: number, expected: number, timeout: number): void {
    this.#region.wait(field * 4, expected, timeout);
  }

  wake(field: number): void {
    this.#region.wake(field * 4, 1);
  }

  tryLock(lock: number): boolean {
    return this.#locks.tryLock(lockOffset(lock));
  }

  unlock(lock: number): void {
    this.#locks.unlock(lockOffset(lock));
  }

  isLocked(lock: number): boolean {
    return this.#locks.isLocked(lockOffset(lock));
  }

  fault(operation: string): ShmError | undefined {
    return this.#region.fault(operation);
  }

  cut(operation: string): ShmError | undefined {
    if (this.#region.closed) return undefined;
    const cut = this.#region.cut(operation);
    if (cut) return cut;
    const { words } = this;
    const isKept = loadWord(words, Field.kept) !== 0;
    const isWhole = !isKept || words[words.length - 1] === topicMagic;
    if (isWhole && loadWord(words, Field.magic) === topicMagic) return undefined;
    const detail =
      'expected the topic that was there, got zeros: its file was cut, and has grown again';
    return new ShmError('ERR_TRUNCATED', detail, operation, this.address);
  }

  close(discard: boolean): void {
    this.#region.close(discard);
  }
}

/** The record area: payloads, headers, sequences. */
export function recordViews(
  { plain: { buffer, byteOffset } }: TopicMemory,
  capacity: number,
): { records: Buffer; recordWords: Int32Array; sequences: Float64Array } {
  const start = byteOffset + headerBytes;
  return {
    records: Buffer.from(buffer, start, capacity),
    recordWords: new Int32Array(buffer, start, capacity / 4),
    sequences: new Float64Array(buffer, start, capacity / 8),
  };
}

/** Counters, anchors and those of the slots. */
export function floatView({ plain: { buffer, byteOffset } }: TopicMemory): Float64Array {
  return new Float64Array(buffer, byteOffset, headerBytes / 8);
}
