import { constants, fstatSync, openSync, type Stats, statfsSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ShmError, systemError } from '../errors.js';
import { now } from '../timers.js';
import { addon } from './addon.js';
import { closeQuietly, lookAt, removeQuietly } from './descriptors.js';
import { unsafe } from './directory.js';
import { checkMappable } from './limits.js';
import { randomBytes } from './random.js';

export const noFollow = constants.O_NOFOLLOW ?? 0; // Windows has no such flag

/** The unit that a file's blocks are counted in, whatever the file system's own is. */
const blockBytes = 512;

/** What `statfs` says of a tmpfs on Linux. */
const tmpfsMagic = 0x0102_1994;

/** Marks the files of this package, so that `reap` touches nothing else. */
const namePattern = /^(region|ring|topic|mem|link|bell|bus)-[0-9a-f]{24}$/;

/**
 * How long a maker waits for another process to release the lease of its new file, in milliseconds.
 */
const leasePatience = 1000;

/** How long an opener waits for the maker of an empty file, in milliseconds. */
const makerPatience = 100;

export type SegmentKind = 'region' | 'ring' | 'topic' | 'mem' | 'link';

/** Doorbells and the marks of a bus's peers are not shared memory. */
export type FileKind = SegmentKind | 'bell' | 'bus';

/** Undefined for a name that this package does not give. */
export function kindOfName(name: string): FileKind | undefined {
  return namePattern.exec(name)?.[1] as FileKind | undefined;
}

/** A file of shared memory, open, with a shared lease. The caller must close `fd`. */
export interface SegmentFile {
  path: string;
  fd: number;
  /** Bytes. */
  size: number;
}

/** Makes the file, and leaves it open. */
function createSegment(
  operation: string,
  kind: SegmentKind | (string & {}),
  bytes: number,
  directory: string,
): SegmentFile {
  checkMappable(operation, bytes, directory);
  if (kindOfName(kind)) return createSegmentAt(operation, join(directory, kind), bytes);
  for (let attempt = 0; ; attempt++) {
    const name = `${kind}-${randomBytes(12).toString('hex')}`;
    const path = join(directory, name);
    const file = tryCreate(operation, path, bytes);
    if (file) return file;
    if (attempt === mostAttempts) throw removed(operation, path);
  }
}

/**
 * Makes a file with a new name in the region directory, or with one that is given in place of a kind, its blocks reserved, and has it opened: where
 * that fails, no file is left.
 *
 * @throws {ShmError} `ENOSPC` with the size wanted and the size free; what `use` throws
 */
export function useNewSegment<T>(
  operation: string,
  kind: SegmentKind | (string & {}),
  bytes: number,
  directory: string,
  use: (file: SegmentFile) => T,
): T {
  const file = createSegment(operation, kind, bytes, directory);
  try {
    return use(file);
  } catch (error) {
    removeQuietly(file.path);
    throw error;
  } finally {
    closeQuietly(file.fd);
  }
}

/**
 * Makes the file `path`, which must not exist, its blocks reserved.
 *
 * @throws {ShmError} `EEXIST`; `ENOSPC` with the size wanted and the size free; no file is
 *   left
 */
export function createSegmentAt(operation: string, path: string, bytes: number): SegmentFile {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const file = tryCreate(operation, path, bytes);
    if (file) return file;
  }
  throw removed(operation, path);
}

/** How often another process may reap a new file before its maker has got the lease. */
const mostAttempts = 10;

function removed(operation: string, path: string): ShmError {
  return new ShmError('ENOENT', 'the file was removed while it was made', operation, path);
}

/**
 * Takes the lease of a file that has no name yet, and checks that it can be opened later.
 *
 * @param fd stays the caller's
 * @throws {ShmError} `ERR_UNSAFE_FILE` on a file system without owners or modes
 */
export function leaseNew(operation: string, path: string, fd: number): SegmentFile {
  const stats = fstatSync(fd);
  const fault = unsafe(stats, 'file', path);
  if (fault) throw new ShmError('ERR_UNSAFE_FILE', fault, operation, path);
  if (!addon.tryLease(fd, 0)) throw noLease(operation, path);
  return { path, fd, size: stats.size };
}

function noLease(operation: string, path: string): ShmError {
  const detail = 'the lease of the new file cannot be had, as if another process kept it';
  return new ShmError('EAGAIN', detail, operation, path);
}

/** Undefined where another process reaped the file between its making and its lease: it is gone. */
function tryCreate(operation: string, path: string, bytes: number): SegmentFile | undefined {
  let fd: number;
  try {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | noFollow;
    fd = openSync(path, flags, 0o600);
  } catch (cause) {
    throw systemError(cause, operation, path);
  }
  try {
    if (!leased(fd)) {
      if (fstatSync(fd).nlink > 0) throw noLease(operation, path);
      closeQuietly(fd);
      return undefined;
    }
    addon.reserve(fd, bytes);
    return { path, fd, size: bytes };
  } catch (cause) {
    const error = explainFull(cause, operation, path, bytes);
    closeQuietly(fd);
    removeQuietly(path); // its name is nobody else's
    throw error;
  }
}

/** Takes the lease of a file that was just made. False where somebody has reaped it, or keeps its lease. */
function leased(fd: number): boolean {
  // Nothing may come first: without its lease the file looks like one whose maker was killed.
  return (addon.tryLease(fd, 0) || leasedLater(fd)) && fstatSync(fd).nlink > 0;
}

/** A process checking for leftovers holds the lease for a few microseconds. */
function leasedLater(fd: number): boolean {
  const deadline = now() + leasePatience;
  while (now() < deadline && fstatSync(fd).nlink > 0) {
    if (addon.tryLease(fd, 0)) return true;
  }
  return false;
}

/**
 * Opens a file of shared memory and takes a shared lease on it. One that is still empty is
 * waited for: its maker may be about to reserve its blocks.
 *
 * @throws {ShmError} `ENOENT` where it is gone, `ERR_UNSAFE_FILE` where the file is not a
 *   plain file of this user's that only this user can open, `ERR_OUT_OF_RANGE` where it is
 *   longer than a view can be, `ERR_CORRUPT` where it stays empty
 */
export function openSegment(operation: string, path: string, writable: boolean): SegmentFile {
  let fd: number | undefined;
  try {
    const access = writable ? constants.O_RDWR : constants.O_RDONLY;
    const file = openOwnFile(operation, path, access | noFollow);
    fd = file.fd;
    if (!addon.tryLease(fd, 0) || fstatSync(fd).nlink === 0) {
      throw new ShmError('ENOENT', 'its last user is gone', operation, path);
    }
    const size = file.size > 0 ? file.size : sizeOnceMade(fd);
    if (size === 0) {
      const detail =
        'expected shared memory, got an empty file: its maker was killed, or it was cut';
      throw new ShmError('ERR_CORRUPT', detail, operation, path);
    }
    checkMappable(operation, size, path);
    return { path, fd, size };
  } catch (cause) {
    if (fd !== undefined) closeQuietly(fd);
    throw systemError(cause, operation, path);
  }
}

function sizeOnceMade(fd: number): number {
  const deadline = now() + makerPatience;
  let size = 0;
  while (size === 0 && now() < deadline) ({ size } = fstatSync(fd));
  return size;
}

/**
 * Opens what must be a plain file of this user's that only this user can open.
 * The caller must close `fd`.
 *
 * @param file another way to open it than by its path
 * @throws {ShmError} `ERR_UNSAFE_FILE`, and the errno names of `open`
 */
export function openOwnFile(
  operation: string,
  path: string,
  flags: number,
  file = path,
): { fd: number; size: number } {
  const check = (stats: Stats) => {
    const fault = unsafe(stats, 'file', path);
    if (fault) throw new ShmError('ERR_UNSAFE_FILE', fault, operation, path);
  };
  let fd: number | undefined;
  try {
    // Opening a FIFO, even for a moment, ends the program that waits at its other end.
    const before = lookAt(file, (flags & noFollow) === 0);
    if (before) check(before);
    // It may be another file by then: without O_NONBLOCK a FIFO would block here.
    fd = openSync(file, flags | (constants.O_NONBLOCK ?? 0));
    const stats = fstatSync(fd);
    check(stats);
    return { fd, size: stats.size };
  } catch (cause) {
    if (fd !== undefined) closeQuietly(fd);
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ELOOP' || code === 'EMLINK') {
      const detail = 'expected a plain file, got a symbolic link';
      throw new ShmError('ERR_UNSAFE_FILE', detail, operation, path, cause);
    }
    throw systemError(cause, operation, path);
  }
}

/** False where somebody else was faster, and where Windows still has views of it somewhere. */
export function unlinkQuietly(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    if (process.platform === 'win32' && (code === 'EPERM' || code === 'EBUSY')) return false;
    throw systemError(cause, 'region.unlink', path);
  }
}

/**
 * The error of a full file system says what was wanted and what there is.
 *
 * @param place a path on that file system. @default where the file lies
 */
export function explainFull(
  cause: unknown,
  operation: string,
  path: string,
  wanted: number,
  place = dirname(path),
): ShmError {
  const error = systemError(cause, operation, path);
  const fail = (detail: string) =>
    new ShmError(error.code, `wanted ${wanted} bytes, ${detail}`, operation, path, cause);
  switch (error.code) {
    case 'EFBIG':
      return fail('beyond the limit of this process or file system');
    case 'EDQUOT':
      return fail("beyond this user's quota");
    case 'ENOSPC':
      return fail(freeBytes(place));
    default:
      return error;
  }
}

function freeBytes(place: string): string {
  try {
    const { bavail, bsize } = statfsSync(place);
    return `${bavail * bsize} are free on the file system`;
  } catch {
    return 'how much is free on the file system is not known';
  }
}

/**
 * Checks a file that another process has offered, before a page of it is mapped. Blocks that
 * were never reserved would be taken from memory by mapping them here; only a tmpfs counts
 * blocks well enough to tell.
 */
export function checkOffered(
  { fd, path, size }: SegmentFile,
  bytes: number,
  operation: string,
): void {
  const fail = (detail: string) => new ShmError('ERR_OUT_OF_RANGE', detail, operation, path);
  if (size !== bytes) throw fail(`expected a region of ${bytes} bytes, got ${size}`);
  let reserved: number;
  try {
    reserved = fstatSync(fd).blocks * blockBytes;
    if (process.platform !== 'linux' || reserved >= bytes) return;
    if (statfsSync(path).type !== tmpfsMagic) return;
  } catch (cause) {
    throw systemError(cause, operation, path);
  }
  throw fail(`expected ${bytes} reserved bytes, got ${reserved}`);
}
