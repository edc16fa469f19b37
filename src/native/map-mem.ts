import { basename, join } from 'node:path';
import { types } from 'node:util';
import { invalidArgument, outOfRange, systemError } from '../errors.js';
import { Access, addon, type NativeMapping } from './addon.js';
import {
  aDirectory,
  checkedLater,
  checkObject,
  checkOptions,
  isMemory,
  type Rule,
} from './arguments.js';
import { atExit } from './at-exit.js';
import { closeQuietly } from './descriptors.js';
import { regionDirectory } from './directory.js';
import { maxLength } from './limits.js';
import type { MappingInfo } from './mapped-view.js';
import { Mapped } from './mapped.js';
import { reapExcept } from './reap.js';
import { openSegment, type SegmentFile, useNewSegment } from './segment.js';
import { trace } from './trace.js';
import { attachBuffer } from './views.js';

/** How {@link openMem} makes or opens a segment. */
export interface MemOptions {
  /**
   * Bytes to map. @default one page of a new segment, the whole of one that exists
   */
  bytes?: number;
  /** @default 'read' for a segment that exists; a new one is always writable */
  access?: 'read' | 'read-write';
  /** Where the segment lies. @default the per-user region directory */
  directory?: string;
}

/**
 * Segments open in this thread, by the names of their files, to be left in good order when
 * it ends. Weakly, so that a mapping whose last view was dropped without closing can be collected.
 */
const open = new Map<WeakRef<MapMem>, { file: string; leave: () => void }>();

const collected = new FinalizationRegistry<WeakRef<MapMem>>(forget);

const operation = 'openMem';

/**
 * Shared memory of this user: see {@link openMem}.
 *
 * @example
 * using mem = openMem({ bytes: 4096 });
 * const counters = new Int32Array(mem.buffer);
 * Atomics.add(counters, 0, 1);
 */
export class MapMem extends Mapped {
  /** What another process opens it by. */
  readonly id: string;
  /** Whether this object made the segment; its name goes with `close()`. */
  readonly owner: boolean;
  /** Bytes of the whole segment. */
  readonly capacity: number;
  readonly #self = new WeakRef(this);

  /** @internal */
  static make(source: MappingInfo, capacity: number, owner: boolean, file?: string): MapMem {
    return new MapMem(source, capacity, owner, file);
  }

  private constructor(source: MappingInfo, capacity: number, owner: boolean, file?: string) {
    super(source);
    this.id = source.address;
    this.owner = owner;
    this.capacity = capacity;
    if (file === undefined) return;
    const self = this.#self;
    open.set(self, { file, leave: atExit(() => self.deref()?.leaveThread()) });
    collected.register(this, this.#self, this.#self);
  }

  /** As {@link Mapped.close}. The owner's takes the name; others keep what they have open. */
  override close(): void {
    forget(this.#self);
    super.close();
  }

  /**
   * When the thread ends: another one may go on with the memory it was handed.
   *
   * @internal
   */
  leaveThread(): void {
    forget(this.#self);
    this.leave();
  }
}

function forget(mem: WeakRef<MapMem>): void {
  const entry = open.get(mem);
  if (!entry) return;
  open.delete(mem);
  entry.leave();
  collected.unregister(mem);
}

/**
 * Makes a segment of shared memory, filled with zeros and owned by this object; its memory
 * is reserved. What killed processes left in the directory is reaped first.
 *
 * @returns the segment, to be closed by `close()` or `using`
 * @throws {ShmError} `ENOSPC` with the bytes wanted and free, and no file is left;
 *   `ERR_OUT_OF_RANGE` for the size, `ERR_INVALID_ARG`, `ERR_UNSAFE_DIRECTORY`
 * @example
 * using mem = openMem({ bytes: 1 << 20 });
 * child.send(mem.id); // there: openMem(id).bytes
 */
export function openMem(options?: MemOptions): MapMem;
/**
 * Opens a segment that another object made, here or in another process; read-only by
 * default. Without an id it makes one.
 *
 * @param id of 24 hexadecimal digits: {@link MapMem.id}
 * @throws {ShmError} `ENOENT` where it is gone, `ERR_OUT_OF_RANGE` for a size beyond the
 *   segment, `ERR_INVALID_ARG` for what is no id, `ERR_UNSAFE_FILE` and
 *   `ERR_UNSAFE_DIRECTORY` for what others can reach
 */
export function openMem(id: string | undefined, options?: MemOptions): MapMem;
/**
 * Takes up in this thread the `buffer` of mapped memory that another thread handed over,
 * of a file too. It stays valid when the other thread closes its own.
 *
 * @throws {ShmError} `ERR_INVALID_ARG` for a buffer that is not live mapped memory
 */
export function openMem(buffer: SharedArrayBuffer): MapMem;
export function openMem(
  first?: string | SharedArrayBuffer | MemOptions,
  second?: MemOptions,
): MapMem {
  if (types.isSharedArrayBuffer(first)) return fromThread(first);
  if (isMemory(first)) {
    throw invalidArgument(operation, 'buffer', 'the SharedArrayBuffer itself', first);
  }
  if (typeof first === 'object' && first !== null) return create(checkMemOptions(first));
  const options = checkMemOptions(second === undefined ? {} : second);
  if (first === undefined) return create(options);
  if (typeof first === 'string' && /^[0-9a-f]{24}$/.test(first)) return openById(first, options);
  throw invalidArgument(operation, 'id', 'the 24 hexadecimal digits of a segment', first);
}

/** Segments that this thread has open need no look at their locks. */
function openNames(): Set<string> {
  return new Set([...open.values()].map(({ file }) => file));
}

function create({ bytes = addon.pageSize, directory }: MemOptions): MapMem {
  const home = regionDirectory(directory);
  reapExcept(home, openNames());
  return useNewSegment(operation, 'mem', bytes, home, file =>
    made(file, bytes, Access.readWrite, true),
  );
}

function openById(id: string, { bytes, access = 'read', directory }: MemOptions): MapMem {
  const home = regionDirectory(directory);
  reapExcept(home, openNames());
  const writable = access === 'read-write';
  const file = openSegment(operation, join(home, `mem-${id}`), writable);
  try {
    if (bytes !== undefined && bytes > file.size) {
      const expected = `at most the segment's ${file.size}`;
      throw outOfRange(operation, 'bytes', expected, bytes);
    }
    const length = bytes ?? file.size;
    return made(file, length, writable ? Access.readWrite : Access.read, false);
  } finally {
    closeQuietly(file.fd);
  }
}

function made(file: SegmentFile, length: number, access: number, owner: boolean): MapMem {
  let native: NativeMapping;
  try {
    native = new addon.Mapping(file.fd, 0, length, access, 0, file.path);
  } catch (cause) {
    throw systemError(cause, operation, file.path);
  }
  // Where the owner was killed, the last one to close removes the name.
  native.ownName(file.path, owner ? 0 : 1);
  const address = idOf(file.path);
  trace('open', { operation, address, length });
  const source: MappingInfo = { native, length, offset: 0, access, address, kind: 'mem' };
  return MapMem.make(source, file.size, owner, basename(file.path));
}

function fromThread(buffer: SharedArrayBuffer): MapMem {
  const length = buffer.byteLength;
  const native = length === 0 ? undefined : attachBuffer(buffer, operation);
  const access = native?.access ?? Access.read;
  const address = native === undefined ? '' : idOf(native.name);
  trace('open', { operation, address, length });
  return MapMem.make({ native, length, offset: 0, access, address, kind: 'mem' }, length, false);
}

/** The id of a segment; of other memory its path. */
function idOf(path: string): string {
  return /^mem-([0-9a-f]{24})$/.exec(basename(path))?.[1] ?? path;
}

const rules = { bytes: checkedLater, access: checkedLater, directory: aDirectory } satisfies Record<
  keyof MemOptions,
  Rule
>;

function checkMemOptions(options: MemOptions): MemOptions {
  checkObject(operation, options);
  // A MapMem, or an id where the options belong: it would make another segment.
  if ('id' in options) {
    throw invalidArgument(operation, 'options', 'without an id, which comes first', options);
  }
  checkOptions(operation, options, rules);
  const { bytes, access } = options;
  if (access !== undefined && access !== 'read' && access !== 'read-write') {
    throw invalidArgument(operation, 'access', "'read' or 'read-write'", access);
  }
  if (bytes === undefined) return options;
  if (typeof bytes !== 'number') throw invalidArgument(operation, 'bytes', 'a number', bytes);
  if (Number.isInteger(bytes) && bytes > 0 && bytes <= maxLength) return options;
  throw outOfRange(operation, 'bytes', `a whole number from 1 to ${maxLength}`, bytes);
}
