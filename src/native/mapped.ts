import type { Readable, Writable } from 'node:stream';
import { MappedView, type Range, type MappingInfo } from './mapped-view.js';
import {
  type PageAccess,
  type Advice,
  advise,
  lock,
  protect,
  resident,
  sync,
  unlock,
} from './pages.js';
import {
  readStream,
  type ReadStreamOptions,
  writeStream,
  type WriteStreamOptions,
} from './streams.js';

/**
 * Mapped memory, whatever is behind it: two views of the same bytes, and a cursor for reads
 * and writes as in a file.
 *
 * The views are the fast way: no call, no check. `buffer` is for Atomics and for other
 * threads, `bytes` for everything else. Storing through a view of a read-only mapping ends
 * the process (SIGSEGV): the pages are write-protected by the processor, and JavaScript
 * has no read-only view that could refuse. The methods refuse with `EBADF`.
 *
 * After `close()` everything but `length`, `writable`, `closed` and what names the memory
 * throws `ERR_CLOSED`; views that were taken before it read zeros. If another program truncates
 * the file, views read zeros beyond its end, and every later call throws
 * `ERR_TRUNCATED`. Pages are loaded on first touch, and that may block on the device.
 */
export abstract class Mapped {
  readonly #view: MappedView;
  #position = 0;

  /** @internal */
  protected constructor(source: MappingInfo) {
    this.#view = new MappedView(source);
  }

  /** Bytes mapped. */
  get length(): number {
    return this.#view.source.length;
  }

  /** Whether stores reach the memory. */
  get writable(): boolean {
    return this.#view.writable;
  }

  /** Whether `close()` was called. */
  get closed(): boolean {
    return this.#view.closed;
  }

  /**
   * The bytes as shared memory: for Atomics, and to hand to threads, which open it with
   * `openMem(buffer)`. Valid until `close()`, and then reads zeros.
   * Atomics on 16, 32 or 64 bits need words that lie at multiples of their size in the
   * file, so map from an `offset` that is a multiple of 8.
   *
   * @throws {ShmError} `ERR_CLOSED`, `ERR_TRUNCATED`; `ERR_UNALIGNED` for any other `offset`
   *   on a processor whose Atomics fault on it (all but x86); `ERR_UNSUPPORTED` on Windows
   *   before Node 22.23.3
   */
  get buffer(): SharedArrayBuffer {
    return this.#view.buffer('buffer');
  }

  /**
   * The same bytes as plain memory of this thread: for copying. Valid until `close()`, and
   * then reads zeros.
   *
   * @throws {ShmError} `ERR_CLOSED`, `ERR_TRUNCATED`
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#view.bytes('bytes');
  }

  /** The cursor of `read`, `write` and `seek`: bytes from the start, possibly past the end. */
  get position(): number {
    return this.#position;
  }

  /** @throws {ShmError} `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG`; it has not moved */
  set position(position: number) {
    this.#position = this.#view.number('position', 'position', position, Number.MAX_SAFE_INTEGER);
  }

  /**
   * One byte.
   *
   * @param index from 0 to `length - 1`
   * @throws {ShmError} `ERR_OUT_OF_RANGE`, `ERR_CLOSED`, `ERR_TRUNCATED`; `EACCES` where
   *   `protect` forbids it
   */
  at(index: number): number {
    this.#view.check('at');
    return this.#view.byteAt('at', this.#view.number('at', 'index', index, this.length - 1));
  }

  /**
   * Copies bytes from the cursor on, and moves it past them.
   *
   * @returns the bytes copied: fewer than `target` holds near the end, 0 there
   * @throws {ShmError} `ERR_INVALID_ARG`, `ERR_CLOSED`, `ERR_TRUNCATED`, `EACCES` as
   *   {@link at}; the cursor has not moved, `target` may hold zeros
   * @example
   * const header = Buffer.alloc(16);
   * if (file.read(header) < 16) throw new Error('too short');
   */
  read(target: Uint8Array): number {
    const count = this.#view.copyOut('read', target, this.#position);
    this.#position += count;
    return count;
  }

  /**
   * The byte at the cursor, which moves past it; -1 at the end.
   *
   * @throws {ShmError} as {@link read}
   */
  readByte(): number {
    this.#view.check('readByte');
    if (this.#position >= this.length) return -1;
    const byte = this.#view.byteAt('readByte', this.#position);
    this.#position++;
    return byte;
  }

  /**
   * Copies bytes from a position; the cursor stays.
   *
   * @param position bytes from the start; past the end nothing is copied
   * @returns the bytes copied
   * @throws {ShmError} as {@link read}; `ERR_OUT_OF_RANGE` for the position
   */
  readAt(target: Uint8Array, position: number): number {
    this.#view.number('readAt', 'position', position, Number.MAX_SAFE_INTEGER);
    return this.#view.copyOut('readAt', target, position);
  }

  /**
   * Copies bytes to the cursor, and moves it past them. The file does not grow.
   *
   * @returns the bytes written, all of `source`
   * @throws {ShmError} `ERR_SHORT_WRITE` past the end: what fits is written, `.written`
   *   says how much, and the cursor is past it. Nothing written: `EBADF` where the
   *   mapping is read-only, `ERR_INVALID_ARG`, `ERR_CLOSED`, `EACCES`. `ERR_TRUNCATED`:
   *   some of it may be in the file.
   */
  write(source: Uint8Array): number {
    const count = this.#view.copyIn('write', source, this.#position);
    this.#position += count;
    if (count < source.length) throw this.#view.shortWrite('write', source.length, count);
    return count;
  }

  /**
   * Stores a byte at the cursor, which moves past it.
   *
   * @param value from 0 to 255
   * @throws {ShmError} as {@link write}; `ERR_OUT_OF_RANGE` for the value
   */
  writeByte(value: number): void {
    this.write(Uint8Array.of(this.#view.number('writeByte', 'value', value, 255)));
  }

  /**
   * Copies bytes to a position; the cursor stays.
   *
   * @param position bytes from the start
   * @returns the bytes written, all of `source`
   * @throws {ShmError} as {@link write}; `ERR_OUT_OF_RANGE` for the position
   */
  writeAt(source: Uint8Array, position: number): number {
    this.#view.number('writeAt', 'position', position, Number.MAX_SAFE_INTEGER);
    const count = this.#view.copyIn('writeAt', source, position);
    if (count < source.length) throw this.#view.shortWrite('writeAt', source.length, count);
    return count;
  }

  /**
   * Moves the cursor. It may go past the end, where reads return 0 bytes.
   *
   * @param offset bytes, added to the start, the cursor or the end
   * @returns the new position
   * @throws {ShmError} `EINVAL` before the start, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG`,
   *   `ERR_CLOSED`; the cursor has not moved
   */
  seek(offset: number, whence: 'start' | 'current' | 'end' = 'start'): number {
    this.#view.check('seek');
    const bases = { start: 0, current: this.#position, end: this.length };
    if (typeof whence !== 'string' || !Object.hasOwn(bases, whence)) {
      throw this.#view.invalid('seek', 'whence', "'start', 'current' or 'end'", whence);
    }
    if (typeof offset !== 'number') throw this.#view.invalid('seek', 'offset', 'a number', offset);
    const position = bases[whence] + offset;
    if (position < 0) {
      throw this.#view.error('EINVAL', `expected a position of 0 or more, got ${position}`, 'seek');
    }
    this.#position = this.#view.number('seek', 'position', position, Number.MAX_SAFE_INTEGER);
    return position;
  }

  /**
   * Writes what was changed to the device and waits for it, so that it survives a power
   * cut. Blocks. Other processes see changes without it.
   *
   * @param options `async`: only starts the write. `invalidate`: makes other mappings of the file
   *   see it, on the few systems where they do not anyway. A range; by default everything.
   * @throws {ShmError} the errno name (`EIO`), `ERR_OUT_OF_RANGE`, `ERR_CLOSED`,
   *   `ERR_TRUNCATED`
   */
  sync(options: Range & { async?: boolean; invalidate?: boolean } = {}): void {
    sync(this.#view, options);
  }

  /**
   * Tells the system how the pages will be used. A hint: nothing happens if the system does not
   * know that advice. `dontneed` on a copy-on-write mapping drops its changes.
   *
   * @throws {ShmError} `ERR_INVALID_ARG`, `ERR_OUT_OF_RANGE`, `ERR_CLOSED`,
   *   `ERR_TRUNCATED`, the errno name
   * @example
   * file.advise('sequential');
   * file.advise('willneed', { offset: 0, length: 1 << 20 });
   */
  advise(advice: Advice, range?: Range): void {
    advise(this.#view, advice, range);
  }

  /**
   * Reads pages in and keeps them in memory until `unlock` or the end of the mapping.
   * Blocks on the device.
   *
   * @throws {ShmError} `ENOMEM` or `EPERM` beyond what the process may lock
   *   (`RLIMIT_MEMLOCK`), `EAGAIN`, `ERR_OUT_OF_RANGE`, `ERR_CLOSED`, `ERR_TRUNCATED`
   */
  lock(range?: Range): void {
    lock(this.#view, range);
  }

  /** Undoes `lock`. Locks do not nest. @throws {ShmError} as {@link lock} */
  unlock(range?: Range): void {
    unlock(this.#view, range);
  }

  /**
   * Sets what this process may do with pages, for all its threads and views. The methods
   * then throw `EACCES`; touching a view in a way that is not allowed ends the process (SIGSEGV).
   *
   * @throws {ShmError} `EACCES` for 'read-write' where the file was opened for reading
   *   only, `ERR_INVALID_ARG`, `ERR_OUT_OF_RANGE`, `ERR_CLOSED`, `ERR_TRUNCATED`
   */
  protect(access: PageAccess, range?: Range): void {
    protect(this.#view, access, range);
  }

  /**
   * Which pages are in memory: one byte per page that the range touches, 1 if it is in memory.
   * Linux reports it only to users who may write the file, and reports 1 to others.
   *
   * @returns a new array
   * @throws {ShmError} `ERR_OUT_OF_RANGE`, `ERR_CLOSED`, `ERR_TRUNCATED`, the errno name
   */
  resident(range?: Range): Uint8Array<ArrayBuffer> {
    return resident(this.#view, range);
  }

  /**
   * A stream of copies of the bytes, which is an `fs.ReadStream` in all that has nothing to do
   * with a path. It does not move the cursor, and fails with `ERR_CLOSED` if the mapping is
   * closed before the end of the stream.
   *
   * @param options as of `fs.createReadStream`; an encoding may stand for all of them
   * @throws {ShmError} with the codes of `fs.createReadStream` (`ERR_OUT_OF_RANGE`,
   *   `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`); `ERR_CLOSED`, `ERR_TRUNCATED`
   * @example
   * await pipeline(file.createReadStream(), createGzip(), response);
   */
  createReadStream(options?: ReadStreamOptions | BufferEncoding | null): Readable {
    this.#view.check('createReadStream');
    return readStream(this.#view, options);
  }

  /**
   * A stream that writes from `start` on, an `fs.WriteStream` in all that has nothing to do with
   * a path. It does not move the cursor, and fails with `ERR_SHORT_WRITE` past the end.
   *
   * @throws {ShmError} `EBADF` where the mapping is read-only, `ERR_CLOSED`, `ERR_TRUNCATED`; the
   *   codes of `fs.createWriteStream`
   */
  createWriteStream(options?: WriteStreamOptions | BufferEncoding | null): Writable {
    this.#view.check('createWriteStream');
    this.#view.needWritable('createWriteStream');
    return writeStream(this.#view, options);
  }

  /**
   * Gives up the memory at once: descriptor and lease are released, the name is removed
   * if this object owns it. The system writes changes in its own time. Views that were taken
   * before read zeros, in every thread that did not open the memory by `openMem(buffer)`; on
   * Windows they keep the pages until they are collected. A second call does nothing.
   */
  close(): void {
    this.#view.close(true);
  }

  /** The same as `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal The file's descriptor. */
  protected descriptor(operation: string): number {
    if (this.#view.closed) throw this.#view.error('ERR_CLOSED', 'it has been closed', operation);
    return this.#view.source.native!.fd;
  }

  /** @internal Gives up name, lease and descriptor, and leaves views as they are. */
  protected leave(): void {
    this.#view.close(false);
  }
}
