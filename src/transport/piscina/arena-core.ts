import { constants } from 'node:buffer';
import { statSync } from 'node:fs';
import { BroadcastChannel } from 'node:worker_threads';
import { outOfRange, ShmError } from '../../errors.js';
import { addon } from '../../native/addon.js';
import { Region } from '../../native/region.js';
import type { AllocatorStats } from './allocator.js';
import { arenaBytes, type ArenaGeometry, readGeometry, writeGeometry } from './arena-layout.js';
import { type Block, Partition } from './partition.js';
import type { ResultBufferRequest } from './task-messages.js';
import { loneSlot, type TaskSlot } from './task-slots.js';
import { unwatchThreads, watchThreads } from './threads.js';

/** The arena's side of a payload. */
export interface PayloadEntry {
  readonly core: ArenaCore;
  /** Absent where the arena had no room. */
  block: Block | undefined;
  /** The bytes, where there is no block. */
  readonly data: Uint8Array<ArrayBuffer> | undefined;
  /** A number of view-kinds.ts. */
  readonly kind: number;
  /** Bytes. */
  readonly length: number;
  /** Stays when its tasks have settled. */
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
  readonly geometry: ArenaGeometry;
  /** See `ArenaStats`. */
  fallbacks = 0;
  leaks = 0;
  /** Payloads with a block. */
  readonly #entries = new Set<PayloadEntry>();
  /** Tasks under way, by the number of their slot. */
  readonly #runs: (RoomGranter | undefined)[] = [];
  #partition: Partition | undefined;
  #requests: BroadcastChannel | undefined;
  /** Blocks and slots in use. */
  #uses = 0;
  #closed = false;
  #ended = false;
  #waiting: (() => void)[] = [];

  private constructor(region: Region, geometry: ArenaGeometry) {
    this.region = region;
    this.geometry = geometry;
    open.add(this);
    watchThreads();
  }

  static create(geometry: ArenaGeometry, directory: string | undefined): ArenaCore {
    const bytes = arenaBytes(geometry);
    const region = Region.create({ bytes, ...(directory !== undefined && { directory }) });
    writeGeometry(new Int32Array(region.buffer), geometry);
    return new ArenaCore(region, geometry);
  }

  static open(path: string): ArenaCore {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > constants.MAX_LENGTH) {
      const expected = `that of an arena of at most ${constants.MAX_LENGTH} bytes`;
      throw outOfRange('arena.open', 'handle', expected, `${size} bytes at ${path}`);
    }
    const region = Region.open(path);
    try {
      return new ArenaCore(region, readGeometry(new Int32Array(region.buffer), path));
    } catch (error) {
      region.close(true);
      throw error;
    }
  }

  get path(): string {
    return this.region.path;
  }

  get closed(): boolean {
    return this.#closed;
  }

  checkOpen(operation: string): void {
    if (this.#closed) throw this.error('ERR_CLOSED', 'it has been closed', operation);
  }

  /** Taken when it is first needed; undefined where none is free. */
  #own(): Partition | undefined {
    if (this.#ended) return undefined;
    return (this.#partition ??= Partition.take(this.region, this.geometry));
  }

  /**
   * @returns undefined where the arena has no room
   * @throws {ShmError} `ERR_USE_AFTER_FREE`, see {@link Partition.allocate}
   */
  take(bytes: number): Block | undefined {
    const block = this.#own()?.allocate(bytes);
    if (block) this.#uses++;
    return block;
  }

  give(block: Block): void {
    this.#partition!.free(block);
    this.#endUse();
  }

  shrink(block: Block, bytes: number): void {
    this.#partition!.shrink(block, bytes);
  }

  takeSlot(run: RoomGranter): TaskSlot {
    const slot = this.#own()?.slots.take() ?? loneSlot();
    if (slot.number !== -1) this.#runs[slot.number] = run;
    this.#uses++;
    return slot;
  }

  giveSlot(slot: TaskSlot): void {
    if (slot.number !== -1) this.#runs[slot.number] = undefined;
    this.#partition?.slots.give(slot);
    this.#endUse();
  }

  /** Keeps track of a payload with a block. */
  add(entry: PayloadEntry): void {
    this.#entries.add(entry);
  }

  /** One task or borrowed result fewer; the last frees the block, unless it is to be kept. */
  endUse(entry: PayloadEntry): void {
    if (--entry.uses > 0) return;
    if (!entry.keep || entry.released || this.#closed) this.drop(entry);
  }

  /** Frees the block of a payload that has no uses. */
  drop(entry: PayloadEntry): void {
    entry.released = true;
    const { block } = entry;
    if (!block) return;
    this.#entries.delete(entry);
    this.detachView(entry);
    entry.block = undefined;
    this.give(block);
  }

  /** Leaves what the owner sees of the block with a length of 0. */
  detachView(entry: PayloadEntry): void {
    const buffer = entry.view?.deref();
    entry.view = undefined;
    if (buffer) addon.detach(buffer);
  }

  /** Answers the threads that need more room for a result than came with their task. */
  listen(): void {
    if (this.#requests) return;
    const channel = new BroadcastChannel(this.path);
    channel.onmessage = event => {
      const { slot, sentWord, wanted } = (event as { data: ResultBufferRequest }).data;
      const run = this.#runs.find(run => run?.slot.index === slot);
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

  stats(): AllocatorStats {
    const none = { blocks: 0, requested: 0, used: 0, highWater: 0, wasted: 0 };
    return this.#partition?.stats() ?? none;
  }

  /** The memory goes when the last block has come back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    open.delete(this);
    for (const entry of [...this.#entries]) if (entry.uses === 0) this.drop(entry);
    if (this.#uses === 0) this.#empty();
  }

  #endUse(): void {
    if (--this.#uses === 0) this.#empty();
  }

  #empty(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (!this.#closed || this.#ended) return;
    this.#ended = true;
    this.#requests?.close();
    unwatchThreads();
    this.#partition?.close();
    this.region.close(true);
  }

  error(code: string, detail: string, operation: string): ShmError {
    return new ShmError(code, detail, operation, this.path);
  }
}
