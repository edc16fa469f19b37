import { constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { outOfRange, ShmError, systemError } from '../errors.js';
import { Access, Advice, addon } from './addon.js';
import { closeQuietly, lookAt } from './descriptors.js';
import { checkMapOptions, type MapOptions } from './map-options.js';
import { maxLength } from './limits.js';
import type { MappingInfo } from './mapped-view.js';
import { Mapped } from './mapped.js';
import { makeFile } from './new-file.js';
import { type FilePath, pathText, resolveLinks } from './paths.js';
import { explainFull } from './segment.js';
import { trace } from './trace.js';

/** A mapped file: see {@link openFile}. */
export class MapFile extends Mapped {
  /** The path it was opened by. */
  readonly path: string;

  /** @internal */
  static make(source: MappingInfo): MapFile {
    return new MapFile(source);
  }

  private constructor(source: MappingInfo) {
    super(source);
    this.path = source.address;
  }

  /**
   * The file's descriptor, for calls of `node:fs`. It goes with `close()`; do not close it.
   *
   * @throws {ShmError} `ERR_CLOSED`
   */
  get fd(): number {
    return this.descriptor('fd');
  }

  /**
   * What the system says of the file now; its size may differ from `length`.
   *
   * @throws {ShmError} `ERR_CLOSED`, the errno name
   */
  stat(): Stats {
    const fd = this.descriptor('stat');
    try {
      return fstatSync(fd);
    } catch (cause) {
      throw systemError(cause, 'file.stat', this.path);
    }
  }
}

const accesses = {
  read: Access.read,
  'read-write': Access.readWrite,
  'copy-on-write': Access.copyOnWrite,
} as const;

const operation = 'openFile';

/**
 * Maps a file: its bytes as memory, with no read calls. Read only by default. An empty
 * file is a mapping of length 0.
 *
 * A file that is made gets its name when it has its size; until then nobody can open it. One
 * that is there is grown last, after everything else has been tried.
 *
 * @param path text, a `file:` URL, or bytes of UTF-8; a symbolic link is followed
 * @param options how; see {@link MapOptions}
 * @returns the mapping, to be closed by `close()` or `using`
 * @throws {ShmError} No file is left that was made, and a file that was there has the bytes it
 *   had: the errno name (`ENOENT`, `EACCES`, `EEXIST`, `ELOOP`); `EISDIR` for a directory,
 *   `EINVAL` for a FIFO, a socket or a device; `ENODEV` for what cannot be mapped, like the
 *   files of /proc; `ENOSPC` with the bytes wanted and free, `EFBIG`, `EDQUOT`;
 *   `ERR_OUT_OF_RANGE` for an offset or length beyond the file, or beyond what one view
 *   can address (4 GiB before Node 22); `ERR_INVALID_ARG`. A file that was grown stays so where
 *   its pages then cannot be locked: somebody else may count on its length already. It may also be
 *   longer after `ENOSPC` on NFS, and where a file that was made cannot get its name last (FAT, some
 *   user-space file systems) it stays.
 * @example
 * using file = openFile('words.txt');
 * const at = Buffer.from(file.bytes.buffer).indexOf('needle');
 * @example
 * using log = openFile('state.bin', { access: 'read-write', create: true, size: 4096 });
 * Atomics.add(new Int32Array(log.buffer), 0, 1);
 * log.sync();
 */
export function openFile(path: FilePath, options: MapOptions = {}): MapFile {
  const name = pathText(operation, path);
  checkMapOptions(operation, options);
  try {
    const source = mapOrMake(name, options);
    trace('open', { operation, address: name, length: source.length });
    return MapFile.make(source);
  } catch (cause) {
    throw explained(cause, name);
  }
}

/** How often another program may make or remove the file meanwhile. */
const mostAttempts = 10;

function mapOrMake(name: string, options: MapOptions): MappingInfo {
  const { create = false } = options;
  if (create === 'exclusive') {
    const made = make(name, name, options);
    if (!made) throw new ShmError('EEXIST', 'the file exists', operation, name);
    return made.filled ?? mapGrown(openPlain(name, options), name, options);
  }
  for (let attempt = 1; ; attempt++) {
    let fd: number | undefined;
    try {
      fd = openPlain(name, options);
    } catch (cause) {
      const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      if (!create || !isMissing || attempt === mostAttempts) throw cause;
    }
    if (fd !== undefined) return mapGrown(fd, name, options);
    const made = make(resolveLinks(name), name, options);
    if (made?.filled) return made.filled;
  }
}

/**
 * Makes the file and maps it, before it has a name: nothing is left of it where that fails. Undefined:
 * the file exists already. On Windows, where a mapped file cannot be renamed, the mapping is tried
 * before, and made after the file has its name.
 */
function make(path: string, name: string, options: MapOptions) {
  const { size = 0, mode = 0o600 } = options;
  checkPart(size, options);
  return makeFile<MappingInfo | undefined>({
    path,
    mode,
    fill(fd) {
      if (size > 0) reserve(fd, path, size, dirname(path));
      const mapping = map(fd, name, size, options);
      if (process.platform !== 'win32') return mapping;
      mapping.native?.close(true);
      return undefined;
    },
    undo: filled => filled?.native?.close(true),
  });
}

// On Windows mapping lengthens the file.
const canTry = process.platform !== 'win32';

/** Maps an open file, and closes the descriptor. */
function mapGrown(fd: number, name: string, options: MapOptions): MappingInfo {
  try {
    return growAndMap(fd, name, options);
  } finally {
    closeQuietly(fd);
  }
}

/** Grows the file if that was asked for, once a trial has shown that it can be mapped. */
function growAndMap(fd: number, name: string, options: MapOptions): MappingInfo {
  const { size: wanted = 0 } = options;
  const size = sizeOf(fd, name);
  if (wanted === 0) return map(fd, name, size, options);
  const grown = Math.max(size, wanted);
  checkPart(grown, options);
  if (canTry && grown > size) {
    const plain = { ...options, prefault: false, lock: false };
    map(fd, name, grown, plain).native?.close(true);
  }
  reserve(fd, name, wanted, placeOf(fd, name));
  return map(fd, name, grown, options);
}

function reserve(fd: number, name: string, size: number, place: string): void {
  try {
    addon.reserve(fd, size);
  } catch (cause) {
    throw explainFull(cause, operation, name, size, place);
  }
}

/** A path on the file system that an open file is on, wherever its name led to. */
function placeOf(fd: number, name: string): string {
  return process.platform === 'linux' ? `/proc/self/fd/${fd}` : dirname(resolveLinks(name));
}

/** The part of a file of `size` bytes that was asked for. */
function checkPart(size: number, options: MapOptions): { offset: number; length: number } {
  const { offset = 0 } = options;
  const bytes = `the file's ${size} bytes`;
  if (offset > size) throw outOfRange(operation, 'offset', `within ${bytes}`, offset);
  const rest = size - offset;
  const length = options.length ?? rest;
  if (length > rest) {
    throw outOfRange(operation, 'length', `at most ${rest}, to the end of ${bytes}`, length);
  }
  if (length > maxLength) {
    const most = `at most ${maxLength} in Node ${process.version}, mapped in pieces by offset and length`;
    throw outOfRange(operation, 'length', most, length);
  }
  return { offset, length };
}

function map(fd: number, address: string, size: number, options: MapOptions): MappingInfo {
  const { prefault = false, lock = false, hugePages = false } = options;
  const { offset, length } = checkPart(size, options);
  const access = accesses[options.access ?? 'read'];
  const native = new addon.Mapping(fd, offset, length, access, prefault ? 1 : 0, address);
  try {
    if (hugePages && length > 0) native.advise(0, length, Advice.hugepage);
    if (lock && length > 0) native.lockPages(0, length);
  } catch (error) {
    native.close();
    throw error;
  }
  return { native, length, offset, access, address, kind: 'file' };
}

function openPlain(name: string, { access = 'read' }: MapOptions): number {
  // O_NONBLOCK: opening a FIFO must not wait for its other end.
  const plain = constants.O_NONBLOCK ?? 0;
  const flags = plain | (access === 'read-write' ? constants.O_RDWR : constants.O_RDONLY);
  // Opening a FIFO, even for a moment, ends the program that waits at its other end; opening a device may do anything.
  const before = lookAt(name, true);
  if (before) checkPlain(before, name);
  const fd = openSync(name, flags);
  try {
    checkPlain(fstatSync(fd), name); // it may be another file by now
    return fd;
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
}

function checkPlain(stats: Stats, name: string): void {
  const fault = kindOf(stats);
  if (!fault) return;
  throw new ShmError(fault.code, `expected a plain file, got ${fault.kind}`, operation, name);
}

/** Its length; a file that only seems to be empty, like those of /proc, is an error. */
function sizeOf(fd: number, name: string): number {
  const { size } = fstatSync(fd);
  if (size > 0) return size;
  let count: number;
  try {
    count = readSync(fd, Buffer.alloc(1), 0, 1, 0);
  } catch (cause) {
    throw new ShmError('ENODEV', notMappable, operation, name, cause);
  }
  if (count === 0) return 0;
  const now = fstatSync(fd).size; // written just now
  if (now === 0) throw new ShmError('ENODEV', notMappable, operation, name);
  return now;
}

const notMappable =
  'expected a file that can be mapped, got one whose content the kernel or its file system ' +
  'makes up as it is read; use readFileSync of node:fs';

/** What to say for errors of the system that say little by themselves. */
const hints: Record<string, string> = {
  ENODEV: notMappable,
  ENXIO: 'expected a plain file, got a socket or an absent device',
  ETXTBSY: "it is a program that is running, which can only be mapped with access 'read'",
  EROFS: "the file system is mounted for reading only; use access 'read' or 'copy-on-write'",
};

function explained(cause: unknown, name: string): ShmError {
  const error = systemError(cause, operation, name);
  const hint = error === cause ? undefined : hints[error.code];
  if (hint === undefined) return error;
  // Opening a socket gives ENXIO, and so does opening a device that is not there.
  const code = error.code === 'ENXIO' ? 'EINVAL' : error.code;
  return new ShmError(code, hint, operation, name, cause);
}

/** What it is instead of a plain file. */
function kindOf(stats: Stats): { code: string; kind: string } | undefined {
  if (stats.isFile()) return undefined;
  if (stats.isDirectory()) return { code: 'EISDIR', kind: 'a directory' };
  const kinds: [boolean, string][] = [
    [stats.isFIFO(), 'a FIFO'],
    [stats.isSocket(), 'a socket'],
    [stats.isCharacterDevice(), 'a character device'],
    [stats.isBlockDevice(), 'a block device'],
  ];
  return { code: 'EINVAL', kind: kinds.find(([is]) => is)?.[1] ?? 'something else' };
}
