import { invalidArgument, outOfRange } from '../../errors.js';
import {
  aBoolean,
  aDirectory,
  checkArgument,
  checkedLater,
  checkOptions,
  isObject,
  notConstructed,
  type Rule,
} from '../../native/arguments.js';
import { checkLength } from '../../native/limits.js';
import { ArenaCore, PayloadEntry } from './arena-core.js';
import { geometryFor, maxPartitions, payloadBytes } from './arena-layout.js';
import { Payload } from './payload.js';
import { bytesKind, bytesOf, kindOf, ownMemory } from '../../native/view-kinds.js';

/** How a pool's threads and other processes find an arena: plain data. */
export interface ArenaHandle {
  /** The arena's file. */
  readonly path: string;
}

/** What {@link PayloadArena.create} makes. */
export interface ArenaOptions {
  /** Bytes for payloads and results, all parts together; rounded up to whole pages. */
  bytes: number;
  /**
   * Equal parts of it. Every process, or thread, that sends payloads has one to itself, from its
   * first payload until it closes the arena or dies; a payload has to fit into one. @default 1
   */
  parts?: number;
  /**
   * Finds mistakes, slowly: a write into freed bytes is reported as `ERR_USE_AFTER_FREE`, and views
   * that a task was given are detached at its end. @default false
   */
  debug?: boolean;
  /** Directory of the memory. @default the per-user region directory */
  directory?: string;
}

/** How long a payload stays. */
export interface ShareOptions {
  /** The payload stays when its tasks have settled, until `release()`. @default false */
  keep?: boolean;
}

const arenaRules = {
  bytes: checkedLater,
  parts: checkedLater,
  debug: aBoolean,
  directory: aDirectory,
} satisfies Record<keyof ArenaOptions, Rule>;

const shareRules = { keep: aBoolean } satisfies Record<keyof ShareOptions, Rule>;

/** What {@link PayloadArena.stats} returns: this process's part of the arena. */
export interface ArenaStats {
  /** Bytes of a part, the most that this process can have in use. */
  capacity: number;
  /** In use: payloads, and results with the room that waits for them. */
  blocks: number;
  /** Bytes that were asked for, of blocks in use. */
  bytes: number;
  /** The most bytes that were in use at once. */
  highWater: number;
  /** Bytes of no use: by rounding up, and free in pieces smaller than the largest ever asked for. */
  wasted: number;
  /** Views beside the arena: for want of room in it, or since they were no payloads of their task. */
  fallbacks: number;
  /** Payloads and results that nobody released, and that came back by being collected. */
  leaks: number;
}

/** @internal What lies behind an arena; undefined for anything else. */
export let coreOf: (arena: unknown) => ArenaCore | undefined;

/**
 * Shared memory for the large parts of Piscina's tasks and results, which then go to a pool's
 * threads and back without being cloned.
 *
 * @example
 * const arena = PayloadArena.create({ bytes: 256 << 20 });
 * const pool = new Piscina({ filename, workerData: { payloads: arena.handle } });
 * const thumbnail = await runWithPayloads(pool, { image: arena.share(bytes), width: 200 });
 */
export class PayloadArena {
  readonly #core: ArenaCore;

  static {
    coreOf = arena => (isObject(arena) && #core in arena ? arena.#core : undefined);
  }

  private constructor(core: ArenaCore) {
    if (!core?.region) notConstructed('PayloadArena', 'PayloadArena.create({ bytes })');
    this.#core = core;
  }

  /**
   * Makes an arena, its memory reserved.
   *
   * @throws {ShmError} `ERR_OUT_OF_RANGE`, also where this Node cannot view so many bytes;
   *   `ERR_INVALID_ARG`; `ENOSPC` with the bytes wanted and free. No file is left then.
   */
  static create(options: ArenaOptions): PayloadArena {
    const operation = 'arena.create';
    checkOptions(operation, options, arenaRules);
    const { bytes, parts = 1, debug = false, directory } = options;
    checkArgument(typeof bytes === 'number', operation, 'bytes', 'a number', bytes);
    if (!Number.isInteger(bytes) || bytes < 1) {
      throw outOfRange(operation, 'bytes', 'a whole number from 1', bytes);
    }
    if (!Number.isInteger(parts) || parts < 1 || parts > maxPartitions) {
      throw outOfRange(operation, 'parts', `a whole number from 1 to ${maxPartitions}`, parts);
    }
    return new PayloadArena(ArenaCore.create(geometryFor(bytes, parts, debug), directory));
  }

  /**
   * Opens the arena of another process, to send payloads to pools of this one. It has a part of its
   * own; where all parts are taken, everything is cloned, and counted.
   *
   * @throws {ShmError} `ENOENT` where it is gone, `ERR_CORRUPT` where the file is no arena,
   *   `ERR_VERSION` where another version of this package made it, `ERR_OUT_OF_RANGE` where this
   *   Node cannot view so many bytes
   */
  static open(handle: ArenaHandle): PayloadArena {
    const isHandle = typeof handle?.path === 'string';
    checkArgument(isHandle, 'arena.open', 'handle', 'the handle of an arena', handle);
    return new PayloadArena(ArenaCore.open(handle.path));
  }

  /**
   * For `new Piscina({ workerData: { payloads: arena.handle } })`, and for
   * {@link PayloadArena.open} in another process: it goes through `process.send` or, as JSON, the
   * environment. Good as long as somebody has the arena open.
   */
  get handle(): ArenaHandle {
    return { path: this.#core.path };
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#core.closed;
  }

  /**
   * Copies bytes into the arena, once. Where there is no room for them the payload holds its own
   * copy, which is cloned on the way, as without an arena; `stats().fallbacks` counts that.
   *
   * @param source a view of any kind, which is the kind that the task sees
   * @throws {ShmError} `ERR_INVALID_ARG`, `ERR_CLOSED`; `ERR_TRUNCATED`: somebody cut the arena's
   *   file
   */
  share(source: ArrayBufferView, options: ShareOptions = {}): Payload {
    const kind = ArrayBuffer.isView(source) ? kindOf(source) : undefined;
    if (kind === undefined) {
      throw invalidArgument('arena.share', 'source', 'a typed array, Buffer or DataView', source);
    }
    const bytes = bytesOf(source);
    const entry = this.#hold('arena.share', kind, bytes.length, options);
    if (!entry.block) {
      entry.data!.set(bytes);
      return new Payload(entry);
    }
    this.#core.region.bytes.set(bytes, entry.block.offset);
    try {
      this.#core.checkMemory('arena.share');
    } catch (error) {
      entry.release();
      throw error;
    }
    return new Payload(entry);
  }

  /**
   * Takes room to be filled in place, through `bytes`: nothing is copied at all. What is in it at
   * first is undefined. Without room in the arena it is memory of its own, as with {@link share}.
   *
   * @param length bytes, from 0
   * @throws {ShmError} `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG`, `ERR_CLOSED`; `ENOMEM` where there is
   *   not that much memory
   */
  allocate(length: number, options: ShareOptions = {}): Payload {
    checkLength('arena.allocate', length);
    return new Payload(this.#hold('arena.allocate', bytesKind, length, options));
  }

  #hold(operation: string, kind: number, length: number, options: ShareOptions): PayloadEntry {
    checkOptions(operation, options, shareRules);
    const core = this.#core;
    core.checkOpen(operation);
    core.checkMemory(operation);
    const { keep = false } = options;
    const entry = core.take(length, kind, keep);
    if (entry) {
      core.payloads.add(entry);
      return entry;
    }
    const data = ownMemory(operation, length);
    core.fallbacks++;
    return new PayloadEntry(core, undefined, data, kind, length, keep);
  }

  /** What is in use in this process's part, and what became of the rest. */
  stats(): ArenaStats {
    const { allocator, fallbacks, leaks, geometry } = this.#core;
    const unused = { blocks: 0, requested: 0, highWater: 0, wasted: 0 };
    const { blocks, requested, highWater, wasted } = allocator?.stats() ?? unused;
    const capacity = payloadBytes(geometry);
    return { capacity, blocks, bytes: requested, highWater, wasted, fallbacks, leaks };
  }

  /**
   * Resolves when nothing is in use: every task has settled, aborted ones included, whose threads
   * end a little later than their promises; and every borrowed result and payload was released.
   */
  whenEmpty(): Promise<void> {
    return this.#core.whenEmpty();
  }

  /**
   * Refuses further payloads, and releases those that no task has. What tasks and borrowed results
   * have stays until they end. Then the memory goes: at once, or with the last thread of a pool
   * that was sent payloads; and with the arena's last user its name. A second call does nothing.
   */
  close(): void {
    this.#core.close();
  }

  /** The same as `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
