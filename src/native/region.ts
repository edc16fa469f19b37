import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ShmError, systemError } from '../errors.js';
import { Access, addon, type NativeMapping } from './addon.js';
import { regionDirectory, unsafe } from './directory.js';

const noFollow = constants.O_NOFOLLOW ?? 0; // Windows has no such flag

const nonBlock = constants.O_NONBLOCK ?? 0; // a FIFO is opened without waiting for its other end

/** Marks the files of this package, so that `reap` touches nothing else. */
const namePattern = /^(?:region|ring|mem|link|bell)-[0-9a-f]{24}$/;

export interface RegionOptions {
  /** Size in bytes. */
  bytes: number;
  /** First part of the file's name. @default 'region' */
  kind?: 'region' | 'ring' | 'mem' | 'link';
  /** Directory of the file. @default the per-user region directory */
  directory?: string;
  /** An ordinary file to make instead. It stays when its users have gone. */
  path?: string;
}

/** Regions open in this thread, to be closed when it ends in good order. */
const open = new Set<Region>();

/** Directories whose leftovers this thread has already reaped. */
const reaped = new Set<string>();

/**
 * Shared memory with a name: a file, mapped whole, readable and writable.
 *
 * Everyone who has it open holds a lease (a shared advisory lock). The last one to close
 * removes the file; where the last one was killed, the next process to make a region in
 * the directory does. An ordinary file, made with `path`, stays.
 */
export class Region {
  readonly path: string;
  /** The pages as shared memory: for Atomics, and to hand to threads. */
  readonly buffer: SharedArrayBuffer;
  /** The same pages as plain memory of this thread: for copying. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #mapping: NativeMapping;
  readonly #keep: boolean;
  #closed = false;

  private constructor(path: string, mapping: NativeMapping, keep: boolean) {
    this.path = path;
    this.#mapping = mapping;
    this.#keep = keep;
    this.buffer = mapping.sharedBuffer();
    this.bytes = new Uint8Array(mapping.alias());
    if (open.size === 0) process.once('exit', closeAll);
    open.add(this);
  }

  /**
   * Makes a region with its blocks reserved, filled with zeros, and maps it.
   *
   * @throws {ShmError} `ENOSPC` with the size wanted and the size free, `EEXIST` where
   *   `path` exists already; no file is left then
   */
  static create({ bytes, kind = 'region', directory, path }: RegionOptions): Region {
    const operation = 'region.create';
    if (path !== undefined) {
      const region = Region.#tryCreate(operation, path, bytes, true);
      if (region) return region;
      throw new ShmError('ENOENT', 'the file was removed while it was made', operation, path);
    }
    const home = regionDirectory(directory);
    if (!reaped.has(home)) {
      reaped.add(home);
      reap(home);
    }
    for (;;) {
      const name = `${kind}-${randomBytes(12).toString('hex')}`;
      const region = Region.#tryCreate(operation, join(home, name), bytes, false);
      if (region) return region;
    }
  }

  /** Undefined where another process reaped the file between its making and its lease. */
  static #tryCreate(
    operation: string,
    path: string,
    bytes: number,
    keep: boolean,
  ): Region | undefined {
    let fd: number;
    try {
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | noFollow;
      fd = openSync(path, flags, 0o600);
    } catch (cause) {
      throw systemError(cause, operation, path);
    }
    try {
      if (!addon.tryLease(fd, 0) || fstatSync(fd).nlink === 0) return undefined;
      addon.reserve(fd, bytes);
      return new Region(path, new addon.Mapping(fd, 0, bytes, Access.readWrite, 1), keep);
    } catch (cause) {
      unlinkSync(path);
      throw explain(cause, operation, path, bytes);
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Opens a region by the path of its file.
   *
   * @throws {ShmError} `ENOENT` where it is gone, `ERR_UNSAFE_FILE` where the file is not
   *   a plain file of this user's that only this user can open
   */
  static open(path: string, options: { keep?: boolean } = {}): Region {
    const operation = 'region.open';
    let fd: number | undefined;
    try {
      fd = openSync(path, constants.O_RDWR | noFollow);
      const stats = fstatSync(fd);
      const fault = unsafe(stats, 'file');
      if (fault) throw new ShmError('ERR_UNSAFE_FILE', fault, operation, path);
      if (!addon.tryLease(fd, 0) || fstatSync(fd).nlink === 0) {
        throw new ShmError('ENOENT', 'its last user is gone', operation, path);
      }
      if (stats.size === 0) {
        throw new ShmError(
          'ERR_OUT_OF_RANGE',
          'expected a region, got an empty file',
          operation,
          path,
        );
      }
      const mapping = new addon.Mapping(fd, 0, stats.size, Access.readWrite, 1);
      return new Region(path, mapping, options.keep ?? false);
    } catch (cause) {
      throw systemError(cause, operation, path);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** See {@link NativeMapping.wait}. */
  wait(offset: number, expected: number, timeout: number): boolean {
    return this.#mapping.wait(offset, expected, timeout);
  }

  /** See {@link NativeMapping.wake}. */
  wake(offset: number, count: number): number {
    return this.#mapping.wake(offset, count);
  }

  /** Takes one of the file's byte locks for this region object, if it is free. */
  tryLock(offset: number): boolean {
    return this.#mapping.tryLockByte(offset);
  }

  unlock(offset: number): void {
    this.#mapping.unlockByte(offset);
  }

  /** Whether another open region holds the byte lock; the kernel's word, not a guess. */
  isLocked(offset: number): boolean {
    return this.#mapping.byteIsLocked(offset);
  }

  /**
   * Gives up lease and locks, and removes the file if nobody else has it open.
   * Views keep their pages until they are collected. A second call does nothing.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    open.delete(this);
    if (open.size === 0) process.off('exit', closeAll);
    // Of several that close at once, the last to ask gets the exclusive lease.
    if (!this.#keep && addon.tryLease(this.#mapping.fd, 1)) unlinkQuietly(this.path);
    this.#mapping.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * A plain view of this thread on shared memory that another thread mapped and handed
 * over, so that copies run at the speed of `memcpy`. Valid as long as it is reachable.
 *
 * @throws {ShmError} `ERR_INVALID_ARG` where `buffer` is not the `buffer` of a region
 */
export function plainView(buffer: SharedArrayBuffer): Uint8Array<ArrayBuffer> {
  let mapping: NativeMapping;
  try {
    mapping = new addon.Mapping(new Uint8Array(buffer));
  } catch (cause) {
    throw new ShmError(
      'ERR_INVALID_ARG',
      'expected the SharedArrayBuffer of a mapped region, got memory of another kind',
      'plainView',
      undefined,
      cause,
    );
  }
  try {
    return new Uint8Array(mapping.alias());
  } finally {
    mapping.close();
  }
}

/**
 * Removes the regions of a directory that nobody has open any more, because their last
 * user was killed. Whether one is in use is asked of the kernel (its lease), so this is
 * right across containers and never touches a live one.
 *
 * @returns the names removed
 */
export function reap(directory?: string): string[] {
  const home = regionDirectory(directory);
  return readdirSync(home).filter(name => namePattern.test(name) && reapOne(join(home, name)));
}

function reapOne(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | nonBlock | noFollow);
  } catch {
    return false; // gone already, or not ours to open
  }
  try {
    return addon.tryLease(fd, 1) && unlinkQuietly(path);
  } finally {
    closeSync(fd);
  }
}

function closeAll(): void {
  for (const region of open) region.close();
}

/** False where somebody else was faster. */
function unlinkQuietly(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw systemError(cause, 'region.unlink', path);
  }
}

/** A full file system is told with what was wanted and what there is. */
function explain(cause: unknown, operation: string, path: string, wanted: number): ShmError {
  const error = systemError(cause, operation, path);
  if (error.code !== 'ENOSPC' && error.code !== 'EFBIG') return error;
  const { bavail, bsize } = statfsSync(dirname(path));
  const detail = `wanted ${wanted} bytes, ${bavail * bsize} are free on the file system`;
  return new ShmError(error.code, detail, operation, path, cause);
}
