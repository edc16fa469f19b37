import { ShmError } from '../../errors.js';
import { addon, stateChanges } from '../../native/addon.js';
import { Region } from '../../native/region.js';
import { Allocator, type Block } from './allocator.js';
import * as layout from './arena-layout.js';
import { loneSlot, type TaskSlot, TaskSlots } from './task-slots.js';
import { bytesKind } from '../../native/view-kinds.js';

/** What freed bytes are filled with in an arena made with `debug`. */
const poison = 0xdb;

/** Bytes with an owner: a payload, or room for the result of a task. */
export class PayloadEntry {
  readonly core: ArenaCore;
  /** Where they are; absent where the arena had no room, and once it has been given back. */
  block: Block | undefined;
  /** The bytes themselves, where there is no block. */
  readonly data: Uint8Array<ArrayBuffer> | undefined;
  /** A number of view-kinds.ts. */
  readonly kind: number;
  readonly length: number;
  readonly keep: boolean;
  /** Tasks that have it, and borrowed results that lie in it. */
  uses = 0;
  /** Its owner has released it, or its task settled. */
  released = false;
  /** What the owner sees of the block. Weak, so that a forgotten payload can be collected. */
  view: WeakRef<ArrayBuffer> | undefined;

  constructor(
    core: ArenaCore,
    block: Block | undefined,
    data: Uint8Array<ArrayBuffer> | undefined,
    kind: number,
    length: number,
    keep: boolean,
  ) {
    this.core = core;
    this.block = block;
    this.data = data;
    this.kind = kind;
    this.length = length;
    this.keep = keep;
  }

  /** Whether bytes of the arena's file lie in it. */
  has(offset: number, length: number): boolean {
    const start = this.block?.offset ?? Infinity;
    return offset >= start && offset + length <= start + this.block!.length;
  }

  /** One task or borrowed result fewer; the last frees the block, unless it has `keep`. */
  endUse(): void {
    if (--this.uses === 0 && (!this.keep || this.released || this.core.closed)) this.release();
  }

  /** Its owner has no more use for it: its block is free when no task has either. */
  release(): void {
    this.released = true;
    const { core, block } = this;
    const buffer = this.view?.deref();
    this.view = undefined;
    if (buffer) addon.detach(buffer); // its views have a length of 0 from now on
    if (this.uses > 0 || !block) return;
    this.block = undefined;
    core.payloads.delete(this);
    core.give(block);
  }
}

/** The arenas that this thread has open. */
const open = new Set<ArenaCore>();

/** Finds the arena whose handle is in a pool's `workerData`. */
export function openCore(path: string | undefined): ArenaCore | undefined {
  for (const core of open) if (core.path === path) return core;
  return undefined;
}

/** What a PayloadArena keeps: the region, its partition of it, and what is in use. */
export class ArenaCore {
  readonly region: Region;
  readonly geometry: layout.ArenaGeometry;
  readonly mark: number;
  /** See `ArenaStats`. */
  fallbacks = 0;
  leaks = 0;
  closed = false;
  /** Those with a block. */
  readonly payloads = new Set<PayloadEntry>();
  /** Of the partition, as are the next two. */
  allocator: Allocator | undefined;
  #slots: TaskSlots | undefined;
  #number = -1;
  /** Blocks and slots in use. */
  #uses = 0;
  #ended = false;
  #waiting: (() => void)[] = [];
  /** `stateChanges` when the memory was last found whole; at first -1, which it never is. */
  #seen = -1;

  private constructor(region: Region, geometry: layout.ArenaGeometry) {
    this.region = region;
    this.geometry = geometry;
    this.mark = layout.markOf(layout.wordsOf(region.buffer));
    open.add(this);
  }

  static create(geometry: layout.ArenaGeometry, directory: string | undefined): ArenaCore {
    const bytes = layout.arenaBytes(geometry);
    const region = Region.create({
      ...{ bytes, operation: 'arena.create' },
      ...(directory !== undefined && { directory }),
    });
    layout.writeGeometry(new Int32Array(region.buffer), geometry);
    return new ArenaCore(region, geometry);
  }

  static open(path: string): ArenaCore {
    const region = Region.open(path, { operation: 'arena.open' });
    try {
      return new ArenaCore(region, layout.readGeometry(layout.wordsOf(region.buffer), path));
    } catch (error) {
      region.close(true);
      throw error;
    }
  }

  get path(): string {
    return this.region.path;
  }

  checkOpen(operation: string): void {
    if (this.closed) throw this.error('ERR_CLOSED', 'it has been closed', operation);
  }

  /**
   * Call it after memory was touched and before what was found there is used: a file that somebody
   * cut shows zeros. Costs one load as long as that has not happened.
   *
   * @throws {ShmError} `ERR_TRUNCATED`, or what the file system says
   */
  checkMemory(operation: string): void {
    const changes = stateChanges[0]!;
    if (changes === this.#seen) return;
    const fault = this.region.fault(operation);
    if (fault) throw fault;
    this.#seen = changes;
  }

  /** Takes the first partition whose lock is free, if there is one, when it is first needed. */
  #ownPartition(): void {
    const { partitions, slots } = this.geometry;
    for (let number = 0; number < partitions && !this.allocator && !this.#ended; number++) {
      try {
        if (!this.region.tryLock(layout.partitionLock(number))) continue;
      } catch {
        return; // everything is cloned then, as with a full arena
      }
      const firstSlot = layout.partitionStart(number, this.geometry);
      const bytes = layout.payloadBytes(this.geometry);
      const start = firstSlot + slots * layout.slotBytes;
      this.#number = number;
      this.#poison(start, bytes); // its former owner may have been killed at any point
      this.#slots = new TaskSlots(new Int32Array(this.region.buffer), firstSlot, slots);
      this.allocator = new Allocator(bytes, start);
    }
  }

  /**
   * @returns undefined where the arena has no room
   * @throws {ShmError} `ERR_USE_AFTER_FREE` with `debug`, after a write into freed bytes, which
   *   stay free
   */
  take(length: number, kind = bytesKind, keep = false): PayloadEntry | undefined {
    this.#ownPartition();
    const block = this.allocator?.allocate(length);
    if (!block) return undefined;
    this.#uses++;
    if (this.geometry.debug) this.#checkPoison(block);
    return new PayloadEntry(this, block, undefined, kind, length, keep);
  }

  give(block: Block): void {
    this.#poison(block.offset, block.length);
    this.allocator!.free(block);
    this.#endUse();
  }

  /** Keeps the first `bytes` of a block. */
  shrink(block: Block, bytes: number): void {
    const before = block.length;
    this.allocator!.shrink(block, bytes);
    this.#poison(block.offset + block.length, before - block.length);
  }

  #poison(offset: number, bytes: number): void {
    if (this.geometry.debug) this.region.bytes.fill(poison, offset, offset + bytes);
  }

  #checkPoison(block: Block): void {
    const { offset, length } = block;
    const bytes = this.region.bytes.subarray(offset, offset + length);
    const at = bytes.findIndex(byte => byte !== poison);
    if (at === -1) return;
    this.give(block); // poisoned again, so that one mistake is reported once
    const detail = `expected freed memory to be left alone, got a write at byte ${offset + at}`;
    throw this.error('ERR_USE_AFTER_FREE', detail, 'arena.allocate');
  }

  takeSlot(): TaskSlot {
    this.#ownPartition();
    this.#uses++;
    return this.#slots?.take() ?? loneSlot();
  }

  giveSlot(slot: TaskSlot): void {
    this.#slots?.give(slot);
    this.#endUse();
  }

  /** Resolves when nothing is in use. */
  whenEmpty(): Promise<void> {
    if (this.#uses === 0) return Promise.resolve();
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  /** The memory goes when the last block has come back. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    open.delete(this);
    for (const payload of this.payloads) if (payload.uses === 0) payload.release();
    this.#endUse(0);
  }

  /** The last task to end gives back the memory of a closed arena. */
  #endUse(ended = 1): void {
    this.#uses -= ended;
    if (this.#uses > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (!this.closed || this.#ended) return;
    this.#ended = true;
    if (this.allocator) this.region.unlock(layout.partitionLock(this.#number));
    this.region.close(true);
  }

  error(code: string, detail: string, operation: string): ShmError {
    return new ShmError(code, detail, operation, this.path);
  }
}
