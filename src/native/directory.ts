import { lstatSync, mkdirSync, type Stats, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { addon } from './addon.js';
import { invalidArgument, ShmError, systemError } from '../errors.js';

const operation = 'region.directory';

/**
 * The directory that regions live in: the option, else `MMAP_TRANSPORT_DIR` unless it is empty,
 * else one per user (of the effective id) in the first of these places where there can be one:
 * `/dev/shm` on Linux, `$XDG_RUNTIME_DIR`, the temporary directory. It is made with mode 0700 if it
 * is missing; the place that it lies in is never made. Where the first place cannot be used, one
 * warning says why.
 *
 * @returns its absolute path
 * @throws {ShmError} `ERR_UNSAFE_DIRECTORY` where it is not a directory of this user's
 *   that only this user can enter; the errno name where it cannot be made; `ERR_INVALID_ARG`
 */
export function regionDirectory(option?: string): string {
  const given = givenDirectory(option);
  if (given !== undefined) return made(given);
  let first: ShmError | undefined;
  const tried: string[] = [];
  for (const place of defaultPlaces()) {
    const path = join(place, nameOfUser());
    const found = tryPlace(place, path);
    if (!(found instanceof ShmError)) {
      if (first) warn(first, path);
      return path;
    }
    first ??= found;
    tried.push(path);
  }
  const detail = `no place can be used (${tried.join(', ')}): ${first!.message}; set MMAP_TRANSPORT_DIR to a directory that only this user can enter`;
  throw new ShmError(first!.code, detail, operation, tried[0], first);
}

/**
 * The same directory for a process that only looks: nothing is made.
 *
 * @returns undefined where there is none
 */
export function existingDirectory(option?: string): string | undefined {
  const given = givenDirectory(option);
  if (given !== undefined) return look(given) ? given : undefined;
  return defaultPlaces()
    .map(place => join(place, nameOfUser()))
    .find(path => {
      try {
        return look(path);
      } catch {
        return false; // not this user's: processes of this user use the next place
      }
    });
}

function givenDirectory(option: string | undefined): string | undefined {
  if (option !== undefined && (typeof option !== 'string' || option === '')) {
    throw invalidArgument(operation, 'directory', 'a path', option);
  }
  const given = option ?? process.env.MMAP_TRANSPORT_DIR;
  return given ? resolve(given) : undefined;
}

/** Places where all processes of a user find the same directory, in the order they are tried. */
function defaultPlaces(): string[] {
  const shared = process.platform === 'linux' ? [sharedMemory] : [];
  const { XDG_RUNTIME_DIR: runtime } = process.env;
  const ofSession = process.platform !== 'win32' && runtime?.startsWith('/') ? [runtime] : [];
  return [...shared, ...ofSession, tmpdir()];
}

const sharedMemory = '/dev/shm';

function nameOfUser(): string {
  return `mmap-transport-${process.geteuid?.() ?? process.env.USERNAME ?? 'user'}`;
}

/** Whether there is a directory; throws where it must not be used. */
function look(path: string): boolean {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats) return false;
    const fault = unsafe(stats, 'directory', path);
    if (fault) throw new ShmError('ERR_UNSAFE_DIRECTORY', fault, operation, path);
    return true;
  } catch (cause) {
    throw systemError(cause, operation, path);
  }
}

/**
 * Why a place cannot be used. An error that passes by itself, like a full disk, is thrown instead:
 * another process would go on to use this place, and the two would not meet.
 */
function tryPlace(place: string, path: string): ShmError | undefined {
  try {
    if (look(path)) return undefined;
    make(path);
  } catch (cause) {
    const error = systemError(cause, operation, path);
    if (error.code === 'EEXIST') return tryPlace(place, path); // made meanwhile, by anybody
    if (lasting.has(error.code)) return error;
    throw error;
  }
  return tryPlace(place, path);
}

/** Makes a directory that only this user can enter. */
function make(path: string): void {
  if (process.platform === 'win32') addon.makePrivateDirectory(path);
  else mkdirSync(path, { mode: 0o700 });
}

const lasting: ReadonlySet<string> = new Set([
  'ERR_UNSAFE_DIRECTORY',
  'ERR_ACCESS_DENIED', // Node's permission model
  ...['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'ELOOP', 'ENAMETOOLONG', 'ENOSYS'],
]);

/** Makes a directory that was asked for by name, and the ones it lies in. */
function made(path: string): string {
  try {
    if (look(path)) return path;
    if (`${path}/`.startsWith(`${sharedMemory}/`) && process.platform === 'linux') {
      statSync(sharedMemory); // only the system makes this one
    }
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    make(path);
  } catch (cause) {
    const error = systemError(cause, operation, path);
    // If a file has that name, the check below says what is wrong with it.
    if (error.code !== 'EEXIST') throw error;
  }
  look(path);
  return path;
}

const warned = 'mmap-transport: another region directory';

/** Once in a process: threads that start later know of it. */
function warn(reason: ShmError, used: string): void {
  if (getEnvironmentData(warned) !== undefined) return;
  setEnvironmentData(warned, used);
  const detail = `Shared memory lies in ${used}, because ${reason.address} cannot be used: ${reason.message}`;
  process.emitWarning(detail, { type: 'ShmWarning', code: reason.code });
}

/**
 * Why a directory, file or FIFO must not be trusted with shared memory: it is of another kind,
 * belongs to somebody else, or others may open it. Undefined where nothing is wrong. On Windows a
 * file has the access list of its directory, and only that one is looked at.
 */
export function unsafe(
  stats: Stats,
  kind: 'directory' | 'file' | 'FIFO',
  path: string,
): string | undefined {
  const isKind = { directory: stats.isDirectory(), file: stats.isFile(), FIFO: stats.isFIFO() };
  if (!isKind[kind]) {
    const found = stats.isSymbolicLink() ? 'a symbolic link' : 'something else';
    return `expected a plain ${kind}, got ${found}`;
  }
  if (process.platform === 'win32') {
    const stranger = kind === 'directory' ? addon.findStranger(path) : undefined;
    return stranger && `expected access for this user only, got ${stranger} in its access list`;
  }
  const uid = process.geteuid?.();
  if (stats.uid !== uid) return `expected owner ${uid}, got ${stats.uid}`;
  const mode = stats.mode & 0o777;
  if ((mode & 0o077) === 0) return undefined;
  return `expected mode 0${kind === 'directory' ? 700 : 600}, got 0${mode.toString(8)}`;
}
