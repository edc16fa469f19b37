import { dirname } from 'node:path';
import { ShmError, systemError } from '../errors.js';
import { Access, addon, type NativeMapping, populateAdvice } from './addon.js';
import { atExit } from './at-exit.js';
import { closeQuietly, writeWhole } from './descriptors.js';
import { regionDirectory } from './directory.js';
import { goesWithLastUser } from './kept.js';
import { checkMappable } from './limits.js';
import { makeFile } from './new-file.js';
import { absolutePath, type FilePath } from './paths.js';
import { reapExcept } from './reap.js';
import {
  checkOffered,
  explainFull,
  leaseNew,
  openSegment,
  type SegmentFile,
  type SegmentKind,
  unlinkQuietly,
  useNewSegment,
} from './segment.js';
import { lostPages, shorterThan } from './truncation.js';
import { plainBytes, sharedBuffer } from './views.js';

interface RegionOptions {
  /** Size in bytes. */
  bytes: number;
  /** First part of the file's name. @default 'region' */
  kind?: SegmentKind;
  /** Directory of the file. @default the per-user region directory */
  directory?: string;
  /** What errors call it. @default 'region.create' */
  operation?: string;
  /** Pages come in on first touch; else all at once. @default false */
  lazy?: boolean;
  /** The file's whole name, which nothing may have: `EEXIST`. @default random */
  name?: string | undefined;
}

interface KeptRegionOptions {
  /** Size in bytes. */
  bytes: number;
  /** The file to make. */
  path: FilePath;
  /** Its first and last bytes, which are there before anybody can open the file. */
  ends: { readonly first: Uint8Array; readonly last: Uint8Array };
  /** What errors call it. */
  operation: string;
}

/** Directories whose leftovers this thread has already reaped. */
const reaped = new Set<string>();

/**
 * Shared memory with a name: a file, mapped whole, readable and writable.
 *
 * Everyone who has it open holds a lease (a shared advisory lock). The last one to close
 * removes the file, if its name is one that this package gives; where the last one was killed,
 * the next process to make a region in the directory does. An ordinary file stays.
 */
export class Region {
  readonly path: string;
  /** The pages as shared memory: for Atomics, and to hand to threads. */
  readonly buffer: SharedArrayBuffer;
  /** The same pages as plain memory of this thread: for copying. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #mapping: NativeMapping;
  /** Cancels what would happen at the end of the process. */
  readonly #stayOpen: () => void;
  readonly #lazy: boolean;
  #closed = false;

  private constructor(file: SegmentFile, prefault: 0 | 1, operation: string, lazy = false) {
    this.path = file.path;
    this.#lazy = lazy;
    try {
      const { fd, size, path } = file;
      this.#mapping = new addon.Mapping(fd, 0, size, Access.readWrite, prefault, path);
    } catch (cause) {
      throw systemError(cause, operation, file.path);
    }
    try {
      this.buffer = sharedBuffer(this.#mapping);
      this.bytes = plainBytes(this.#mapping);
    } catch (cause) {
      this.#mapping.close(true);
      throw systemError(cause, operation, file.path);
    }
    // Of several that close at once, the last to ask gets the exclusive lease.
    if (goesWithLastUser(file)) this.#mapping.ownName(file.path, 1);
    this.#stayOpen = atExit(() => this.close());
  }

  /**
   * Makes a region with its blocks reserved, filled with zeros, and maps it.
   *
   * @throws {ShmError} `ENOSPC` with the size wanted and the size free, `ERR_OUT_OF_RANGE` for
   *   more than a view can address; no file is left then
   */
  static create({
    bytes,
    kind = 'region',
    directory,
    operation = 'region.create',
    lazy = false,
    name,
  }: RegionOptions): Region {
    checkMappable(operation, bytes);
    const home = reapedOnce(regionDirectory(directory));
    const prefault = lazy ? 0 : 1;
    const use = (file: SegmentFile) => new Region(file, prefault, operation, lazy);
    return useNewSegment(operation, name ?? kind, bytes, home, use);
  }

  /**
   * Makes an ordinary file, whole or not at all, which stays when its users have gone; and
   * maps it.
   *
   * @throws {ShmError} as {@link create}; `EEXIST` where there is something of that name
   */
  static createKept({ bytes, path, ends: { first, last }, operation }: KeptRegionOptions): Region {
    checkMappable(operation, bytes);
    const name = absolutePath(operation, path);
    try {
      const fill = (fd: number) => {
        addon.reserve(fd, bytes);
        writeWhole(fd, first, 0);
        writeWhole(fd, last, bytes - last.length);
        if (process.platform !== 'win32') {
          return new Region(leaseNew(operation, name, fd), 0, operation);
        }
        // On Windows a mapped file can get no name: this only tries whether it can be mapped.
        new addon.Mapping(fd, 0, bytes, Access.readWrite, 0, name).close(true);
        return undefined;
      };
      const undo = (region: Region | undefined) => {
        region?.leaveName();
        region?.close(true);
      };
      const made = makeFile({ path: name, mode: 0o600, fill, undo });
      if (!made) throw new ShmError('EEXIST', 'the file exists', operation, name);
      return made.filled ?? Region.open(name, { operation });
    } catch (cause) {
      throw explainFull(cause, operation, name, bytes, dirname(name));
    }
  }

  /**
   * Opens a region by the path of its file. Nothing of it is prefaulted: what it is has to be
   * checked first, and then {@link populate} may be called.
   *
   * @param options.bytes the size it must have; a file of any other is not mapped
   * @param options.lazy {@link populate} does nothing
   * @throws {ShmError} `ENOENT` where it is gone, `ERR_UNSAFE_FILE` where the file is not
   *   a plain file of this user's that only this user can open; `ERR_OUT_OF_RANGE` where it
   *   has another size, or is longer than a view can address; `ERR_CORRUPT` where it is empty;
   *   `ERR_INVALID_ARG`
   */
  static open(
    path: FilePath,
    options: { bytes?: number; operation?: string; lazy?: boolean } = {},
  ): Region {
    const { operation = 'region.open', lazy } = options;
    const file = openSegment(operation, absolutePath(operation, path), true);
    try {
      if (options.bytes !== undefined) checkOffered(file, options.bytes, operation);
      return new Region(file, 0, operation, lazy);
    } finally {
      closeQuietly(file.fd);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * A plain buffer of its own over some of the bytes: unlike `bytes`, it can be detached,
   * and gives access to nothing beyond those bytes.
   */
  piece(offset: number, length: number): ArrayBuffer {
    return this.#mapping.alias(offset, length);
  }

  /** Enters pages into the page table at once instead of one fault each; a hint. */
  populate(offset = 0, length = this.bytes.length - offset): void {
    if (this.#lazy) return;
    try {
      this.#mapping.advise(offset, length, populateAdvice);
    } catch {
      // They come in on first touch, which also reports what is wrong with them.
    }
  }

  /**
   * Whether pages of it are lost, because the file was cut or its file system failed. Ask it when
   * `stateChanges` has changed.
   *
   * @returns why, or undefined
   */
  fault(operation: string): ShmError | undefined {
    if (this.#closed || !this.#mapping.faulted()) return undefined;
    return lostPages(this.#mapping.fd, 0, this.bytes.length, operation, this.path);
  }

  /** The same, and asks the file for its length besides: a system call. */
  cut(operation: string): ShmError | undefined {
    if (this.#closed) return undefined;
    const { fd } = this.#mapping;
    const bytes = this.bytes.length;
    try {
      if (!shorterThan(fd, bytes, operation, this.path)) return this.fault(operation);
    } catch (error) {
      return error as ShmError;
    }
    return lostPages(fd, 0, bytes, operation, this.path);
  }

  /** See {@link NativeMapping.wait}. @throws {ShmError} the errno name */
  wait(offset: number, expected: number, timeout: number): boolean {
    return this.#ask('region.wait', () => this.#mapping.wait(offset, expected, timeout));
  }

  /** See {@link NativeMapping.wake}. Where that fails, sleepers look when their wait runs out. */
  wake(offset: number, count: number): number {
    try {
      return this.#mapping.wake(offset, count);
    } catch {
      return 0;
    }
  }

  /**
   * Takes one of the file's byte locks for this region object, if it is free.
   *
   * @throws {ShmError} the errno name where the system refuses such locks
   */
  tryLock(offset: number): boolean {
    return this.#ask('region.lock', () => this.#mapping.tryLockByte(offset));
  }

  /**
   * Gives a byte lock up. It is part of closing something, which must go on: a lock that the system
   * does not give back now goes with the region's descriptor.
   */
  unlock(offset: number): void {
    try {
      this.#mapping.unlockByte(offset);
    } catch {
      // As said above.
    }
  }

  /**
   * Whether another open region holds the byte lock; the kernel's word, not a guess.
   *
   * @throws {ShmError} as {@link tryLock}
   */
  isLocked(offset: number): boolean {
    return this.#ask('region.isLocked', () => this.#mapping.byteIsLocked(offset));
  }

  /** A system call that may fail: a container's filter or a file system refuses locks. */
  #ask<T>(operation: string, call: () => T): T {
    try {
      return call();
    } catch (cause) {
      throw systemError(cause, operation, this.path);
    }
  }

  /**
   * Removes the name: nobody can open the region any more, and nothing is left of it when
   * the last of those who have it open is gone, however they go. Windows keeps the name of
   * a mapped file, and so does a system that refuses: there the last to close removes it.
   */
  unlink(): void {
    if (process.platform === 'win32') return;
    try {
      unlinkQuietly(this.path);
    } catch {
      return;
    }
    this.#mapping.ownName('', 0);
  }

  /**
   * Leaves the name to another process, which will remove it: closing no longer does, also
   * when this process ends.
   */
  leaveName(): void {
    this.#mapping.ownName('', 0);
  }

  /**
   * Gives up lease and locks, and removes the file if nobody else has it open. A second
   * call does nothing.
   *
   * @param discard gives the memory back at once: views that are left read zeros.
   *   Otherwise they keep their pages until they are collected.
   */
  close(discard = false): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stayOpen();
    this.#mapping.close(discard);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Reaps a directory when this thread first makes a region there. */
function reapedOnce(home: string): string {
  if (!reaped.has(home)) {
    reaped.add(home);
    reapExcept(home);
  }
  return home;
}
