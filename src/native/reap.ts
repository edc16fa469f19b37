import { constants, fstatSync, lstatSync, readdirSync, type Stats } from 'node:fs';
import { basename, join } from 'node:path';
import { systemError } from '../errors.js';
import { wallClock } from '../timers.js';
import { addon } from './addon.js';
import { closeQuietly } from './descriptors.js';
import { existingDirectory } from './directory.js';
import { isKeptRing } from './kept.js';
import { kindOfName, noFollow, openOwnFile, unlinkQuietly } from './segment.js';
import { trace } from './trace.js';

/**
 * How long memory that was offered to a peer is left after its maker has ended, in milliseconds.
 */
export const offerPatience = 60_000;

/**
 * Removes the regions and segments of a directory that nobody has open any more, because
 * their last user was killed. Whether one is in use is asked of the kernel (its lease), so
 * this is right across containers and never touches a live one. Blocks for a few system
 * calls per file.
 *
 * @param directory @default the per-user region directory. Where there is none, none is made.
 * @returns the names removed; this thread's own array
 * @throws {ShmError} `ERR_UNSAFE_DIRECTORY`, `ERR_INVALID_ARG` and the errno names of reading a
 *   directory, and nothing has been removed; the errno name where a leftover cannot be removed
 *   (`EPERM`, `EROFS`), after everything else has been
 * @example
 * console.log(reap().length, 'leftovers of killed processes removed');
 */
export function reap(directory?: string): string[] {
  const home = existingDirectory(directory);
  if (home === undefined) return [];
  let failure: unknown;
  const removed = reapNames(
    home,
    () => true,
    error => (failure ??= error),
  );
  if (failure !== undefined) throw systemError(failure, 'region.reap', home);
  return removed;
}

/**
 * The same in passing, when something else is done in the directory: memory that was offered to a
 * peer, and not taken yet, is left for some time after its maker has ended. Nothing is thrown: what
 * cannot be looked at or removed stays, and does not get in the way.
 *
 * @param inUse names that need not be checked
 */
export function reapExcept(home: string, inUse: ReadonlySet<string> = new Set()): string[] {
  try {
    const isMeant = (name: string) => !inUse.has(name) && !isOffered(join(home, name));
    return reapNames(home, isMeant, () => {});
  } catch {
    return []; // the directory cannot be read: what is done there will say so, if it matters
  }
}

/** Whether it is the memory of a link that was made just now. */
function isOffered(path: string): boolean {
  if (kindOfName(basename(path)) !== 'link') return false;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && isRecent(stats, offerPatience);
}

/**
 * Whether a file was written within the last `milliseconds`. A time further in the future than that
 * does not count: the clock has been set back since, and the file would look new for that long.
 */
export function isRecent({ mtimeMs }: Stats, milliseconds: number): boolean {
  return Math.abs(wallClock() - mtimeMs) < milliseconds;
}

function reapNames(
  home: string,
  isMeant: (name: string) => boolean,
  failed: (error: unknown) => void,
): string[] {
  const removed = namesIn(home).filter(name => {
    try {
      return kindOfName(name) && isMeant(name) && reapOne(join(home, name));
    } catch (error) {
      failed(error);
      return false;
    }
  });
  for (const name of removed) trace('reap', { directory: home, name });
  return removed;
}

function namesIn(home: string): string[] {
  try {
    return readdirSync(home);
  } catch (cause) {
    throw systemError(cause, 'region.reap', home);
  }
}

function reapOne(path: string): boolean {
  if (isBell(path)) return isBellDead(path) && unlinkQuietly(path);
  return withExclusiveLock(path, fd => {
    if (isKeptRing(path, fd)) return false;
    // The socket of a bus's peer lies beside the file that is under its lease.
    if (kindOfName(basename(path)) === 'bus') unlinkQuietly(`${path}.sock`);
    return unlinkQuietly(path);
  });
}

/** Removes one file, if nobody has it open any more. Says whether it did. */
export function reapLeftOver(path: string): boolean {
  try {
    return reapOne(path);
  } catch {
    return false;
  }
}

/**
 * Whether nobody has the file open any more: its last user was killed, or it is a ring that is
 * kept, which {@link reap} leaves alone. To find out, its lease is
 * taken for a moment; a process that opens the file in that moment finds it gone.
 */
export function unusedState(path: string): 'left over' | 'not in use' | undefined {
  if (isBell(path)) return isBellDead(path) ? 'left over' : undefined;
  let isKept = false;
  const isUnused = withExclusiveLock(path, fd => {
    isKept = isKeptRing(path, fd);
    return true;
  });
  if (!isUnused) return undefined;
  return isKept ? 'not in use' : 'left over';
}

const isBell = (path: string) => kindOfName(basename(path)) === 'bell';

/** The kernel's word, without a lease: nobody has the FIFO open for reading, or ever will. */
function isBellDead(path: string): boolean {
  try {
    return addon.isBellDead(path);
  } catch {
    return false; // not ours to open
  }
}

/**
 * Runs an action under the lease of a file on which nobody else has one; otherwise returns false.
 */
function withExclusiveLock(path: string, act: (fd: number) => boolean): boolean {
  let fd: number;
  try {
    ({ fd } = openOwnFile('region.reap', path, constants.O_RDWR | noFollow));
  } catch {
    return false; // gone already, or not ours to open
  }
  try {
    return leasedAlone(fd) && act(fd);
  } finally {
    closeQuietly(fd);
  }
}

/** False too where the system cannot tell: then it may be in use. */
function leasedAlone(fd: number): boolean {
  try {
    // If another process has reaped it meanwhile, the name may already be that of a new file.
    return addon.tryLease(fd, 1) && fstatSync(fd).nlink > 0;
  } catch {
    return false;
  }
}
