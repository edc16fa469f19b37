import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ShmError, systemError } from '../errors.js';

/**
 * The directory that regions live in: the option, else `MMAP_TRANSPORT_DIR`, else one
 * per user in memory (`/dev/shm` on Linux) or in the temporary directory.
 * It is made where it is missing, with mode 0700.
 *
 * @returns its absolute path
 * @throws {ShmError} `ERR_UNSAFE_DIRECTORY` where it is not a directory of this user's
 *   that only this user can enter; the errno name where it cannot be made
 */
export function regionDirectory(option?: string): string {
  const path = directoryPath(option);
  try {
    makeDirectory(path);
    return checked(path, lstatSync(path));
  } catch (cause) {
    throw systemError(cause, operation, path);
  }
}

/** Where a file has that name, nothing is made: what is wrong is told when it is checked. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
  }
}

/**
 * The same for who only looks: nothing is made.
 *
 * @returns undefined where there is none of that name
 */
export function existingDirectory(option?: string): string | undefined {
  const path = directoryPath(option);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats && checked(path, stats);
}

const operation = 'region.directory';

function directoryPath(option?: string): string {
  return resolve(option ?? process.env.MMAP_TRANSPORT_DIR ?? defaultDirectory());
}

function checked(path: string, stats: Stats): string {
  const fault = unsafe(stats, 'directory');
  if (fault) throw new ShmError('ERR_UNSAFE_DIRECTORY', fault, operation, path);
  return path;
}

function defaultDirectory(): string {
  const parent = process.platform === 'linux' ? '/dev/shm' : tmpdir();
  return join(parent, `mmap-transport-${process.getuid?.() ?? process.env.USERNAME ?? 'user'}`);
}

/**
 * Why a directory, file or FIFO must not be trusted with shared memory: it is of another kind,
 * belongs to somebody else, or others may open it. Undefined where nothing is wrong.
 */
export function unsafe(stats: Stats, kind: 'directory' | 'file' | 'FIFO'): string | undefined {
  const isKind = { directory: stats.isDirectory(), file: stats.isFile(), FIFO: stats.isFIFO() };
  if (!isKind[kind]) {
    const found = stats.isSymbolicLink() ? 'a symbolic link' : 'something else';
    return `expected a plain ${kind}, got ${found}`;
  }
  // Windows keeps the temporary directory private by access lists, not by mode and uid.
  if (process.platform === 'win32') return undefined;
  const uid = process.getuid?.();
  if (stats.uid !== uid) return `expected owner ${uid}, got ${stats.uid}`;
  const mode = stats.mode & 0o777;
  if ((mode & 0o077) === 0) return undefined;
  return `expected mode 0${kind === 'directory' ? 700 : 600}, got 0${mode.toString(8)}`;
}
