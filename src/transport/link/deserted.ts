import { lstatSync, openSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { systemError, type ShmError } from '../../errors.js';
import { addon } from '../../native/addon.js';
import { closeQuietly } from '../../native/descriptors.js';
import { regionDirectory } from '../../native/directory.js';
import { delay, now } from '../../timers.js';

/**
 * How long a process that replaces a socket waits for another one that does so, in milliseconds.
 */
const patience = 2000;
const retryInterval = 10;

/**
 * Removes the file of a Unix socket at which nobody listens any more, and does something before
 * another process of this user can do the same: if two replace a socket at once, the second would
 * remove the new one of the first.
 *
 * @param inUse thrown where somebody listens there, or the file is no socket
 * @throws {ShmError} `EPERM`, `EACCES` where the file cannot be removed, as another user's in
 *   a sticky directory
 */
export async function replaceDeserted(
  path: string,
  inUse: ShmError,
  listen: () => Promise<void>,
): Promise<void> {
  const fd = openLock(path);
  try {
    const start = now();
    while (!addon.tryLease(fd, 1)) {
      if (now() - start > patience) throw inUse;
      await delay(retryInterval);
    }
    if (!(await isDeserted(path))) throw inUse;
    unlinkSync(path);
    await listen();
  } catch (cause) {
    throw systemError(cause, 'listen', path);
  } finally {
    closeQuietly(fd);
  }
}

/**
 * What is locked meanwhile: the region directory, since nobody else can open it. A stranger
 * could hold a lock on the socket's own directory for ever.
 */
function openLock(path: string): number {
  try {
    return openSync(regionDirectory(), 'r');
  } catch {
    // This user has none. Sockets can still be listened at, so the socket's own directory is
    // locked.
  }
  const directory = dirname(path);
  try {
    return openSync(directory, 'r');
  } catch (cause) {
    throw systemError(cause, 'listen', directory);
  }
}

/** Whether a Unix socket's file is there and nobody listens at it. */
async function isDeserted(path: string): Promise<boolean> {
  // Connecting to a file of another kind is refused in the same way.
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false;
  return new Promise(resolve => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
