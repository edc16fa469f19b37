import { closeSync, fstatSync, rmSync, statfsSync } from 'node:fs';
import { ShmError, systemError } from '../errors.js';
import { Access, addon, type NativeMapping } from './addon.js';
import { atExit } from './at-exit.js';
import { regionDirectory } from './directory.js';
import {
  createSegment,
  createSegmentAt,
  openSegment,
  reap,
  type SegmentFile,
  type SegmentKind,
  unlinkQuietly,
} from './segment.js';
import { plainBytes, sharedBuffer } from './views.js';

export interface RegionOptions {
  /** Size in bytes. */
  bytes: number;
  /** First part of the file's name. @default 'region' */
  kind?: SegmentKind;
  /** Directory of the file. @default the per-user region directory */
  directory?: string;
  /** An ordinary file to make instead. It stays when its users have gone. */
  path?: string;
}

/** The unit that a file's blocks are counted in, whatever the file system's own is. */
const blockBytes = 512;

/** What `statfs` says of a tmpfs on Linux. */
const tmpfsMagic = 0x0102_1994;

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
  /** Takes back what happens at the process's end. */
  readonly #stayOpen: () => void;
  #closed = false;

  private constructor(file: SegmentFile, keep: boolean, operation: string) {
    this.path = file.path;
    try {
      this.#mapping = new addon.Mapping(file.fd, 0, file.size, Access.readWrite, 1, file.path);
    } catch (cause) {
      throw systemError(cause, operation, file.path);
    }
    // Of several that close at once, the last to ask gets the exclusive lease.
    if (!keep) this.#mapping.ownName(file.path, 1);
    this.buffer = sharedBuffer(this.#mapping);
    this.bytes = plainBytes(this.#mapping);
    this.#stayOpen = atExit(() => this.close());
  }

  /**
   * Makes a region with its blocks reserved, filled with zeros, and maps it.
   *
   * @throws {ShmError} `ENOSPC` with the size wanted and the size free, `EEXIST` where
   *   `path` exists already; no file is left then
   */
  static create({ bytes, kind = 'region', directory, path }: RegionOptions): Region {
    const operation = 'region.create';
    const file =
      path === undefined
        ? createSegment(operation, kind, bytes, reapedOnce(regionDirectory(directory)))
        : createSegmentAt(operation, path, bytes);
    try {
      return new Region(file, path !== undefined, operation);
    } catch (error) {
      rmSync(file.path, { force: true });
      throw error;
    } finally {
      closeSync(file.fd);
    }
  }

  /**
   * Opens a region by the path of its file.
   *
   * @param options.bytes the size it must have; a file of any other is not mapped
   * @throws {ShmError} `ENOENT` where it is gone, `ERR_UNSAFE_FILE` where the file is not
   *   a plain file of this user's that only this user can open; `ERR_OUT_OF_RANGE` where it
   *   has another size
   */
  static open(path: string, options: { keep?: boolean; bytes?: number } = {}): Region {
    const operation = 'region.open';
    const file = openSegment(operation, path, true);
    try {
      if (options.bytes !== undefined) checkOffered(file, options.bytes, operation);
      return new Region(file, options.keep ?? false, operation);
    } finally {
      closeSync(file.fd);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * A plain buffer of its own over some of the bytes: unlike `bytes`, it can be detached,
   * and shows who holds its views nothing else.
   */
  piece(offset: number, length: number): ArrayBuffer {
    return this.#mapping.alias(offset, length);
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
   * Removes the name: nobody can open the region any more, and nothing is left of it when
   * the last of those who have it open is gone, however they go. Windows keeps the name of
   * a mapped file; the last to close removes it there.
   */
  unlink(): void {
    if (process.platform === 'win32') return;
    unlinkQuietly(this.path);
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

/**
 * Checks a file that another process has offered, before a page of it is mapped. Blocks that
 * were never reserved would be taken from memory by mapping them here; only a tmpfs counts
 * blocks well enough to tell.
 */
function checkOffered({ fd, path, size }: SegmentFile, bytes: number, operation: string): void {
  const fail = (detail: string) => new ShmError('ERR_OUT_OF_RANGE', detail, operation, path);
  if (size !== bytes) throw fail(`expected a region of ${bytes} bytes, got ${size}`);
  const reserved = fstatSync(fd).blocks * blockBytes;
  if (process.platform !== 'linux' || reserved >= bytes) return;
  if (statfsSync(path).type === tmpfsMagic) {
    throw fail(`expected ${bytes} reserved bytes, got ${reserved}`);
  }
}

/** Reaps a directory when this thread first makes a region there. */
function reapedOnce(home: string): string {
  if (!reaped.has(home)) {
    reaped.add(home);
    reap(home);
  }
  return home;
}
