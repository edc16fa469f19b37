import { BroadcastChannel } from 'node:worker_threads';
import { ShmError } from '../../errors.js';
import { addon } from '../../native/addon.js';
import { Region } from '../../native/region.js';
import { Allocator } from './allocator.js';
import * as layout from './arena-layout.js';
import type { ResultBufferRequest } from './task-messages.js';
import { loneSlot, type TaskSlot, TaskSlots } from './task-slots.js';
import { unwatchThreads, watchThreads } from './threads.js';

/** What freed bytes are filled with in an arena made with `debug`. */
const poison = 0xdb;

/** A piece of the arena that is in use; offset and length, in bytes, are those of the file. */
export interface Block {
  readonly number: number;
  readonly offset: number;
  readonly length: number;
}

/** The arena's side of a payload. */
export interface PayloadEntry {
  readonly core: ArenaCore;
  /** Absent where the arena had no room. */
  block: Block | undefined;
  /** The bytes, where there is no block. */
  readonly data: Uint8Array<ArrayBuffer> | undefined;
  /** A number of view-kinds.ts. */
  readonly kind: number;
  readonly length: number;
  readonly keep: boolean;
  /** Tasks that have it, and borrowed results that lie in it. */
  uses: number;
  /** Its owner has released it, or its task settled. */
  released: boolean;
  /** What the owner sees of the block. Weak, so that a forgotten payload can be collected. */
  view: WeakRef<ArrayBuffer> | undefined;
}

/** A task under way, whose thread can ask for more room for its result. */
export interface RoomGranter {
  readonly slot: TaskSlot;
  grant(wanted: number): Block | undefined;
}

/** Those that this thread has open. */
const open = new Set<ArenaCore>();

/** How the handle in a pool's `workerData` is understood. */
export function openCore(path: string): ArenaCore | undefined {
  for (const core of open) if (core.path === path) return core;
  return undefined;
}

/** What a PayloadArena keeps: the region, its partition of it, and what is in use. */
export class ArenaCore {
  readonly region: Region;
  readonly geometry: layout.ArenaGeometry;
  /** See `ArenaStats`. */
  fallbacks = 0;
  leaks = 0;
  closed = false;
  /** Payloads with a block. */
  readonly entries = new Set<PayloadEntry>();
  /** Tasks under way, by the index of their slot. */
  readonly #runs = new Map<number, RoomGranter>();
  /** Of the partition, as are the next three. */
  allocator: Allocator | undefined;
  #slots: TaskSlots | undefined;
  #number = -1;
  /** Where payloads begin in the file. */
  #start = 0;
  #requests: BroadcastChannel | undefined;
  /** Blocks and slots in use. */
  #uses = 0;
  #ended = false;
  #waiting: (() => void)[] = [];

  private constructor(region: Region, geometry: layout.ArenaGeometry) {
    this.region = region;
    this.geometry = geometry;
    open.add(this);
    watchThreads();
  }

  static create(geometry: layout.ArenaGeometry, directory: string | undefined): ArenaCore {
    const bytes = layout.arenaBytes(geometry);
    const region = Region.create({ bytes, ...(directory !== undefined && { directory }) });
    layout.writeGeometry(new Int32Array(region.buffer), geometry);
    return new ArenaCore(region, geometry);
  }

  static open(path: string): ArenaCore {
    const region = Region.open(path);
    try {
      return new ArenaCore(region, layout.readGeometry(new Int32Array(region.buffer), path));
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
      this.#number = number;
      this.#start = firstSlot + slots * layout.slotBytes;
      this.#poison(this.#start, bytes); // its former owner may have been killed at any point
      this.#slots = new TaskSlots(new Int32Array(this.region.buffer), firstSlot, slots);
      this.allocator = new Allocator(bytes);
    }
  }

  /**
   * @returns undefined where the arena has no room
   * @throws {ShmError} `ERR_USE_AFTER_FREE` with `debug`, after a write into freed bytes, which
   *   stay free
   */
  take(bytes: number): Block | undefined {
    this.#ownPartition();
    const { allocator } = this;
    const number = allocator?.allocate(bytes) ?? -1;
    if (!allocator || number === -1) return undefined;
    const offset = this.#start + allocator.offset(number);
    const block = { number, offset, length: allocator.size(number) };
    this.#uses++;
    if (this.geometry.debug) this.#checkPoison(block);
    return block;
  }

  give({ number, offset }: Block): void {
    this.#poison(offset, this.allocator!.size(number));
    this.allocator!.free(number);
    this.#endUse();
  }

  /** Keeps the first `bytes` of a block. */
  shrink({ number, offset }: Block, bytes: number): void {
    const allocator = this.allocator!;
    const before = allocator.size(number);
    allocator.shrink(number, bytes);
    const kept = allocator.size(number);
    this.#poison(offset + kept, before - kept);
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

  takeSlot(run: RoomGranter): TaskSlot {
    this.#ownPartition();
    const slot = this.#slots?.take() ?? loneSlot();
    this.#runs.set(slot.index, run);
    this.#uses++;
    return slot;
  }

  giveSlot(slot: TaskSlot): void {
    this.#runs.delete(slot.index);
    this.#slots?.give(slot);
    this.#endUse();
  }

  /** One task or borrowed result fewer; the last frees the block, unless it is to be kept. */
  endUse(entry: PayloadEntry): void {
    if (--entry.uses === 0 && (!entry.keep || entry.released || this.closed)) this.release(entry);
  }

  /** Its owner has no more use for a payload: its block is free when no task has either. */
  release(entry: PayloadEntry): void {
    entry.released = true;
    const { block } = entry;
    const buffer = entry.view?.deref();
    entry.view = undefined;
    if (buffer) addon.detach(buffer); // its views have a length of 0 from now on
    if (entry.uses > 0 || !block) return;
    this.entries.delete(entry);
    entry.block = undefined;
    this.give(block);
  }

  /** Answers the threads that need more room for a result than came with their task. */
  listen(): void {
    if (this.#requests) return;
    const channel = new BroadcastChannel(this.path);
    channel.onmessage = event => {
      const { slot, sentWord, wanted } = (event as { data: ResultBufferRequest }).data;
      const run = this.#runs.get(slot);
      // Other owners' requests and answers arrive here too.
      if (wanted === undefined || run?.slot.sentWord !== sentWord) return;
      channel.postMessage({ slot, sentWord, room: run.grant(wanted) });
    };
    channel.unref();
    this.#requests = channel;
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
    for (const entry of [...this.entries]) if (entry.uses === 0) this.release(entry);
    this.#endUse(0);
  }

  /** The last to end lets the memory of a closed arena go. */
  #endUse(ended = 1): void {
    this.#uses -= ended;
    if (this.#uses > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (!this.closed || this.#ended) return;
    this.#ended = true;
    this.#requests?.close();
    unwatchThreads();
    if (this.allocator) this.region.unlock(layout.partitionLock(this.#number));
    this.region.close(true);
  }

  error(code: string, detail: string, operation: string): ShmError {
    return new ShmError(code, detail, operation, this.path);
  }
}
