import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ShmError, systemError } from '../errors.js';
import { Access, addon, type NativeMapping } from './addon.js';
import { plainView, Region } from './region.js';

/** Mapped memory, whatever is behind it. */
export abstract class Mapped {
  /** The memory as shared memory: for Atomics, and to hand to threads. */
  abstract readonly buffer: SharedArrayBuffer;
  /** The same memory as plain memory of this thread: for copying. */
  abstract readonly bytes: Uint8Array<ArrayBuffer>;

  /** Bytes mapped. */
  get length(): number {
    return this.bytes.length;
  }

  abstract close(): void;

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A file mapped whole, read only: see {@link openFile}. */
export class MapFile extends Mapped {
  readonly path: string;
  override readonly buffer: SharedArrayBuffer;
  override readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #mapping: NativeMapping | undefined;

  /** @internal */
  constructor(path: string, mapping: NativeMapping | undefined) {
    super();
    this.path = path;
    this.#mapping = mapping;
    this.buffer = mapping?.sharedBuffer() ?? new SharedArrayBuffer(0);
    this.bytes = new Uint8Array(mapping?.alias() ?? new ArrayBuffer(0));
  }

  /** Gives up the file. Views keep their pages until they are collected. */
  override close(): void {
    this.#mapping?.close();
  }
}

/** Shared memory of this user: see {@link openMem}. */
export class MapMem extends Mapped {
  override readonly buffer: SharedArrayBuffer;
  override readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #region: Region | undefined;

  /** @internal */
  constructor(buffer: SharedArrayBuffer, bytes: Uint8Array<ArrayBuffer>, region?: Region) {
    super();
    this.buffer = buffer;
    this.bytes = bytes;
    this.#region = region;
  }

  /** Gives up the memory. Views keep their pages until they are collected. */
  override close(): void {
    this.#region?.close();
  }
}

/**
 * Maps a whole file, read only. Storing into the views ends the process: the pages are
 * not writable.
 *
 * @throws {ShmError} the errno name: `ENOENT`, `EACCES`, `EISDIR` for a directory,
 *   `EINVAL` for what is neither file nor directory
 */
export function openFile(path: string | URL, options: { prefault?: boolean } = {}): MapFile {
  const name = typeof path === 'string' ? path : fileURLToPath(path);
  let fd: number | undefined;
  try {
    fd = openSync(name, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stats = fstatSync(fd);
    if (stats.isDirectory())
      throw new ShmError('EISDIR', 'expected a file, got a directory', 'openFile', name);
    if (!stats.isFile()) throw new ShmError('EINVAL', 'expected a plain file', 'openFile', name);
    const mapping =
      stats.size === 0
        ? undefined
        : new addon.Mapping(fd, 0, stats.size, Access.read, options.prefault ? 1 : 0);
    return new MapFile(name, mapping);
  } catch (cause) {
    throw systemError(cause, 'openFile', name);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * Makes a segment of shared memory; or, given the `buffer` of one that another thread
 * handed over, takes it up in this thread.
 *
 * @throws {ShmError} `ENOSPC`; `ERR_INVALID_ARG` for a buffer that is not mapped memory
 */
export function openMem(options: { bytes: number } | SharedArrayBuffer): MapMem {
  if (options instanceof SharedArrayBuffer) return new MapMem(options, plainView(options));
  const region = Region.create({ bytes: options.bytes, kind: 'mem' });
  return new MapMem(region.buffer, region.bytes, region);
}
