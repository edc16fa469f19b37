import { invalidArgument, outOfRange } from '../../errors.js';
import { bytesKind, bytesOf, kindOf } from './kinds.js';
import { Payload } from './payload.js';
import { type Holding, Store } from './store.js';

/** How a pool's threads and other processes find an arena: plain data. */
export interface ArenaHandle {
  readonly path: string;
}

export interface ArenaOptions {
  /** Bytes for payloads and results, all parts together; rounded up to whole pages. */
  bytes: number;
  /**
   * In how many parts of equal size. Every process, or thread, that sends payloads has one
   * to itself, from its first payload until it closes the arena or dies; a payload has to
   * fit into a part. @default 1
   */
  parts?: number;
  /**
   * Finds mistakes, slowly: freed bytes are poisoned, and whoever writes into them later is
   * told of by `ERR_USE_AFTER_FREE`; views that a task was given are detached at its end.
   * @default false
   */
  debug?: boolean;
  /** Directory of the memory. @default the per-user region directory */
  directory?: string;
}

export interface ShareOptions {
  /** The payload stays when its tasks have settled, until `release()`. @default false */
  keep?: boolean;
}

export interface ArenaStats {
  /** Bytes of a part, the most that this process can have in use. */
  capacity: number;
  /** In use: payloads, results, and 64 bytes for each task under way. */
  blocks: number;
  /** Bytes that were asked for, of blocks in use. */
  bytes: number;
  /** The most bytes that were in use at once. */
  highWater: number;
  /**
   * Bytes that serve nobody: what blocks in use were rounded up by, and what is free in
   * pieces smaller than the largest block that was ever asked for.
   */
  wasted: number;
  /** Payloads and results that were cloned since there was no room. */
  fallbacks: number;
  /** Payloads and results that nobody released, and that came back by being collected. */
  leaks: number;
}

/** The arenas that this thread has open, by path. */
const open = new Map<string, Set<PayloadArena>>();

/** An arena of this thread; how a pool's own handle is understood. */
export function openArena(path: string): PayloadArena | undefined {
  const [arena] = open.get(path) ?? [];
  return arena;
}

/** What lies behind an arena. */
export let storeOf: (arena: PayloadArena) => Store;

/**
 * Shared memory for the large parts of Piscina's tasks and results, which then go to a
 * pool's threads and back without being cloned.
 *
 * @example
 * const arena = PayloadArena.create({ bytes: 256 << 20 });
 * const pool = new Piscina({ filename, workerData: { payloads: arena.handle } });
 * const thumbnail = await runWithPayloads(pool, { image: arena.share(bytes), width: 200 });
 */
export class PayloadArena {
  readonly #store: Store;

  static {
    storeOf = arena => arena.#store;
  }

  private constructor(store: Store) {
    this.#store = store;
    const arenas = open.get(store.path) ?? new Set();
    open.set(store.path, arenas.add(this));
  }

  /**
   * Makes an arena, its memory reserved.
   *
   * @throws {ShmError} `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG`; `ENOSPC` with the bytes wanted
   *   and free, and no file is left
   */
  static create(options: ArenaOptions): PayloadArena {
    const { bytes, parts = 1, debug = false, directory } = options ?? {};
    return new PayloadArena(Store.create(bytes, parts, debug, directory));
  }

  /**
   * Opens the arena of another process, to send payloads to pools of this one. It has a
   * part of its own; where all parts are taken, everything is cloned, and counted.
   *
   * @throws {ShmError} `ENOENT` where it is gone, `ERR_CORRUPT` where the file is no arena,
   *   `ERR_VERSION` where another version of this package made it
   */
  static open(handle: ArenaHandle): PayloadArena {
    if (typeof handle?.path !== 'string') {
      throw invalidArgument('arena.open', 'handle', 'the handle of an arena', handle);
    }
    return new PayloadArena(Store.open(handle.path));
  }

  /**
   * For `new Piscina({ workerData: { payloads: arena.handle } })`, and for
   * {@link PayloadArena.open} in another process: it goes through `process.send` or, as
   * JSON, the environment. Good as long as somebody has the arena open.
   */
  get handle(): ArenaHandle {
    return { path: this.#store.path };
  }

  get closed(): boolean {
    return this.#store.closed;
  }

  /**
   * Copies bytes into the arena, once. Where there is no room for them the payload holds
   * its own copy, which is cloned on the way, as without an arena; `stats().fallbacks`
   * counts that.
   *
   * @param source a view of any kind, which is the kind that the task sees
   * @throws {ShmError} `ERR_INVALID_ARG`, `ERR_CLOSED`
   */
  share(source: ArrayBufferView, options: ShareOptions = {}): Payload {
    const kind = ArrayBuffer.isView(source) ? kindOf(source) : undefined;
    if (kind === undefined) {
      throw invalidArgument('arena.share', 'source', 'a typed array, Buffer or DataView', source);
    }
    const bytes = bytesOf(source);
    const holding = this.#hold('share', kind, bytes.length, options.keep ?? false);
    if (holding.block) this.#store.region.bytes.set(bytes, holding.block.offset);
    else holding.data!.set(bytes);
    return new Payload(holding);
  }

  /**
   * Takes room to be filled in place, through `bytes`: nothing is copied at all. What is in
   * it at first is undefined. Without room in the arena it is memory of its own, as with
   * {@link share}.
   *
   * @param length bytes, from 0
   * @throws {ShmError} `ERR_OUT_OF_RANGE`, `ERR_CLOSED`
   */
  allocate(length: number, options: ShareOptions = {}): Payload {
    if (!Number.isSafeInteger(length) || length < 0) {
      throw outOfRange('arena.allocate', 'length', 'a whole number from 0', length);
    }
    return new Payload(this.#hold('allocate', bytesKind, length, options.keep ?? false));
  }

  #hold(operation: string, kind: number, length: number, keep: boolean): Holding {
    this.#store.checkOpen(operation);
    const block = this.#store.take(length);
    if (!block) this.#store.fallbacks++;
    const data = block ? undefined : new Uint8Array(length);
    const holding: Holding = {
      store: this.#store,
      block,
      data,
      kind,
      length,
      keep,
      uses: 0,
      released: false,
      index: -1,
      view: undefined,
    };
    if (block) this.#store.add(holding);
    return holding;
  }

  /** What is in use in this process's part, and what became of the rest. */
  stats(): ArenaStats {
    const { fallbacks, leaks, capacity } = this.#store;
    const { blocks, requested, highWater, wasted } = this.#store.stats();
    return {
      capacity,
      blocks,
      bytes: requested,
      highWater,
      wasted,
      fallbacks,
      leaks,
    };
  }

  /**
   * Resolves when nothing is in use: every task has settled, aborted ones included, whose
   * threads end a little later than their promises; and every loan and payload has been
   * released.
   */
  whenEmpty(): Promise<void> {
    return this.#store.whenEmpty();
  }

  /**
   * Refuses further payloads, and releases those that no task has. What tasks and loans
   * have stays until they end; then the memory goes, and with its last user its name.
   * A second call does nothing.
   */
  close(): void {
    const { path } = this.#store;
    const arenas = open.get(path);
    if (arenas?.delete(this) && arenas.size === 0) open.delete(path);
    this.#store.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
