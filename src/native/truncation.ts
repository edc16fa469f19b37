import { fstatSync, readSync, statfsSync } from 'node:fs';
import { ShmError, systemError } from '../errors.js';

/**
 * Whether an open file is shorter than it was.
 *
 * @throws {ShmError} the errno name where its file system does not say
 */
export function shorterThan(
  fd: number,
  bytes: number,
  operation: string,
  address: string,
): boolean {
  try {
    return fstatSync(fd).size < bytes;
  } catch (cause) {
    throw systemError(cause, operation, address);
  }
}

/**
 * Why mapped pages of a file could not be reached: it was cut short, its file system failed, or has
 * no room for a page that was never reserved.
 *
 * @param fd of the file; -1 where this thread has none
 */
export function lostPages(
  fd: number,
  offset: number,
  length: number,
  operation: string,
  address: string,
): ShmError {
  const fail = (code: string, detail: string) => new ShmError(code, detail, operation, address);
  const expected = `expected a file of at least ${offset + length} bytes`;
  if (fd === -1) return fail('ERR_TRUNCATED', `${expected}, got pages that were lost`);
  try {
    const { size } = fstatSync(fd);
    if (size < offset + length) return fail('ERR_TRUNCATED', `${expected}, got ${size}`);
    // A file system that died, or a device that cannot be read, shows here.
    for (const at of [offset, offset + length - 1]) readSync(fd, Buffer.alloc(1), 0, 1, at);
  } catch (cause) {
    return systemError(cause, operation, address);
  }
  if (isFull(fd)) {
    return fail('ENOSPC', 'pages of a file with holes were lost: its file system is full');
  }
  return fail('ERR_TRUNCATED', `${expected}, got pages that were lost`);
}

/** Whether the file system that an open file is on has no room left, as far as that can be known. */
function isFull(fd: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    const { blocks, bavail } = statfsSync(`/proc/self/fd/${fd}`);
    return blocks > 0 && bavail === 0;
  } catch {
    return false;
  }
}
