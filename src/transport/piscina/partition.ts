import { ShmError } from '../../errors.js';
import type { Region } from '../../native/region.js';
import { Allocator, type AllocatorStats } from './allocator.js';
import * as layout from './arena-layout.js';
import { TaskSlots } from './task-slots.js';

/** What freed bytes are filled with in an arena made with `debug`. */
const poison = 0xdb;

/** A piece of the arena that is in use; private to the thread that allocates. */
export interface Block {
  readonly number: number;
  /** From the beginning of the file. */
  readonly offset: number;
  /** Bytes, no fewer than were asked for. */
  readonly length: number;
}

/** The partition of an arena that one PayloadArena object allocates from. */
export class Partition {
  readonly slots: TaskSlots;
  readonly #region: Region;
  readonly #number: number;
  /** Where payloads begin. */
  readonly #start: number;
  readonly #allocator: Allocator;
  readonly #debug: boolean;

  private constructor(region: Region, number: number, geometry: layout.ArenaGeometry) {
    const start = layout.partitionStart(number, geometry);
    this.#region = region;
    this.#number = number;
    this.#start = start + geometry.slots * layout.slotBytes;
    this.#debug = geometry.debug;
    this.slots = new TaskSlots(new Int32Array(region.buffer), start, geometry.slots);
    this.#allocator = new Allocator(layout.payloadBytes(geometry));
    // Its former owner may have been killed at any point.
    this.#poison(0, this.#allocator.bytes);
  }

  /**
   * The first partition whose lock is free; undefined where all are taken, or where the file system
   * refuses locks. A former owner is gone with all of its threads: the kernel says so.
   */
  static take(region: Region, geometry: layout.ArenaGeometry): Partition | undefined {
    for (let number = 0; number < geometry.partitions; number++) {
      try {
        if (!region.tryLock(layout.partitionLock(number))) continue;
      } catch {
        return undefined; // everything is cloned then, as with a full arena
      }
      return new Partition(region, number, geometry);
    }
    return undefined;
  }

  /**
   * @returns undefined where there is no room
   * @throws {ShmError} `ERR_USE_AFTER_FREE` with `debug`, where somebody wrote into bytes after they
   *   had been freed; the bytes are free still
   */
  allocate(bytes: number): Block | undefined {
    const number = this.#allocator.allocate(bytes);
    if (number === -1) return undefined;
    const offset = this.#start + this.#allocator.offset(number);
    const block = { number, offset, length: this.#allocator.size(number) };
    if (this.#debug) this.#checkPoison(block);
    return block;
  }

  free({ number }: Block): void {
    this.#poison(this.#allocator.offset(number), this.#allocator.size(number));
    this.#allocator.free(number);
  }

  /** Keeps the first `bytes` of a block. */
  shrink({ number }: Block, bytes: number): void {
    const before = this.#allocator.size(number);
    this.#allocator.shrink(number, bytes);
    const after = this.#allocator.size(number);
    this.#poison(this.#allocator.offset(number) + after, before - after);
  }

  /** @param offset from where payloads begin */
  #poison(offset: number, bytes: number): void {
    const start = this.#start + offset;
    if (this.#debug) this.#region.bytes.fill(poison, start, start + bytes);
  }

  #checkPoison(block: Block): void {
    const { offset, length } = block;
    const bytes = this.#region.bytes.subarray(offset, offset + length);
    const at = bytes.findIndex(byte => byte !== poison);
    if (at === -1) return;
    this.free(block); // poisoned again, so that one mistake is reported once
    const detail = `expected freed memory to be left alone, got a write at byte ${offset + at}`;
    throw new ShmError('ERR_USE_AFTER_FREE', detail, 'arena.allocate', this.#region.path);
  }

  stats(): AllocatorStats {
    return this.#allocator.stats();
  }

  close(): void {
    this.#region.unlock(layout.partitionLock(this.#number));
  }
}
