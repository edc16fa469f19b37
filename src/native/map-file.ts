import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { invalidArgument, outOfRange, ShmError, systemError } from '../errors.js';
import { Access, Advice, addon } from './addon.js';
import { maxLength, type MappingInfo } from './mapped-view.js';
import { Mapped } from './mapped.js';
import { explainFull } from './segment.js';
import { trace } from './trace.js';

/** How {@link openFile} maps. Sizes and offsets are bytes. */
export interface MapOptions {
  /**
   * What the mapping is for. Changes of a 'copy-on-write' one are this mapping's own and
   * reach neither the file nor anybody else. @default 'read'
   */
  access?: 'read' | 'read-write' | 'copy-on-write';
  /** With 'read-write': make a missing file; 'exclusive': it must be missing. @default false */
  create?: boolean | 'exclusive';
  /** With 'read-write': make the file at least this long, its blocks reserved. @default 0 */
  size?: number;
  /** Permissions of a file that is made, less the process's umask. @default 0o600 */
  mode?: number;
  /** First byte, from 0 to the file's size; it needs no alignment. @default 0 */
  offset?: number;
  /** Bytes, at most to the file's end. @default to the file's end */
  length?: number;
  /** Enter all pages into the page table at once. @default false */
  prefault?: boolean;
  /** Keep all pages in memory: see {@link Mapped.lock}. @default false */
  lock?: boolean;
  /** Ask for huge pages, where the file system has them. @default false */
  hugePages?: boolean;
}

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
 * @param options how; see {@link MapOptions}
 * @returns the mapping, to be closed by `close()` or `using`
 * @throws {ShmError} The file system is as it was, and no file is left that was made:
 *   the errno name (`ENOENT`, `EACCES`, `EEXIST`, `ELOOP`); `EISDIR` for a directory, `EINVAL`
 *   for a FIFO, a socket or a device; `ENOSPC` with the bytes wanted and free, `EFBIG`;
 *   `ERR_OUT_OF_RANGE` for an offset or length beyond the file, or beyond what one view
 *   can address (4 GiB before Node 22); `ERR_INVALID_ARG`
 * @example
 * using file = openFile('words.txt');
 * const at = Buffer.from(file.bytes.buffer).indexOf('needle');
 * @example
 * using log = openFile('state.bin', { access: 'read-write', create: true, size: 4096 });
 * Atomics.add(new Int32Array(log.buffer), 0, 1);
 * log.sync();
 */
export function openFile(path: string | URL, options: MapOptions = {}): MapFile {
  const name = pathOf(path);
  checkOptions(options);
  const file = openMappable(name, options);
  let former: number | undefined;
  try {
    let { size } = fstatSync(file.fd);
    if (options.size !== undefined && options.size > 0) {
      former = size;
      addon.reserve(file.fd, options.size);
      size = Math.max(size, options.size);
    }
    const source = map(file.fd, name, size, options);
    trace('open', { operation, address: name, length: source.length });
    return MapFile.make(source);
  } catch (cause) {
    const error = explainFull(cause, operation, name, options.size ?? 0);
    if (file.created) unlinkSync(name);
    else if (former !== undefined && fstatSync(file.fd).size > former) {
      ftruncateSync(file.fd, former);
    }
    throw error;
  } finally {
    closeSync(file.fd);
  }
}

function map(fd: number, address: string, size: number, options: MapOptions): MappingInfo {
  const { offset = 0, prefault = false, lock = false, hugePages = false } = options;
  const bytes = `the file's ${size} bytes`;
  if (offset > size) throw outOfRange(operation, 'offset', `within ${bytes}`, offset);
  const length = options.length ?? size - offset;
  if (length > size - offset) {
    throw outOfRange(
      operation,
      'length',
      `at most ${size - offset}, to the end of ${bytes}`,
      length,
    );
  }
  if (length > maxLength) {
    const most = `at most ${maxLength} in Node ${process.version}, mapped in pieces by offset and length`;
    throw outOfRange(operation, 'length', most, length);
  }
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

function openMappable(name: string, options: MapOptions): { fd: number; created: boolean } {
  const { access = 'read', create = false, mode = 0o600 } = options;
  // O_NONBLOCK: opening a FIFO must not wait for its other end.
  const plain = constants.O_NONBLOCK ?? 0;
  const flags = plain | (access === 'read-write' ? constants.O_RDWR : constants.O_RDONLY);
  const attempts: [flags: number, created: boolean, next: string][] = [];
  if (create) {
    const next = create === 'exclusive' ? '' : 'EEXIST';
    attempts.push([flags | constants.O_CREAT | constants.O_EXCL, true, next]);
  }
  if (create !== 'exclusive') attempts.push([flags, false, create ? 'ENOENT' : '']);
  // A symbolic link to nowhere, or a file that went in between.
  if (create === true) attempts.push([flags | constants.O_CREAT, false, '']);
  for (const [attempt, created, next] of attempts) {
    let fd: number;
    try {
      fd = openSync(name, attempt, mode);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === next) continue;
      throw openingFailed(cause, name);
    }
    const fault = kindOf(fstatSync(fd));
    if (!fault) return { fd, created };
    closeSync(fd);
    throw new ShmError(fault.code, `expected a plain file, got ${fault.kind}`, operation, name);
  }
  throw new ShmError('ENOENT', 'the file was removed while it was opened', operation, name);
}

function openingFailed(cause: unknown, name: string): ShmError {
  // What opening a socket gives, and a device that is not there.
  if ((cause as NodeJS.ErrnoException).code !== 'ENXIO') return systemError(cause, operation, name);
  const detail = 'expected a plain file, got a socket or an absent device';
  return new ShmError('EINVAL', detail, operation, name, cause);
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

function pathOf(path: string | URL): string {
  if (path instanceof URL) return fileURLToPath(path);
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return path;
  throw invalidArgument(operation, 'path', 'a path without null characters', path);
}

function checkOptions(options: MapOptions): void {
  const { access = 'read', create, size, mode, offset, length } = options;
  if (!Object.hasOwn(accesses, access)) {
    throw invalidArgument(operation, 'access', "'read', 'read-write' or 'copy-on-write'", access);
  }
  if (create !== undefined && typeof create !== 'boolean' && create !== 'exclusive') {
    throw invalidArgument(operation, 'create', "a boolean or 'exclusive'", create);
  }
  if ((create || size !== undefined) && access !== 'read-write') {
    const option = create ? 'create' : 'size';
    throw invalidArgument(operation, 'access', `'read-write' with \`${option}\``, access);
  }
  for (const [name, value] of Object.entries({ size, mode, offset, length })) {
    if (value === undefined) continue;
    if (typeof value !== 'number') throw invalidArgument(operation, name, 'a number', value);
    if (!Number.isSafeInteger(value) || value < 0) {
      throw outOfRange(operation, name, 'a whole number of 0 or more', value);
    }
  }
}
