import { fstatSync, readSync } from 'node:fs';
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
 * Why mapped pages of a file could not be reached: it was cut short, or its file system failed.
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
  let found = 'pages that were lost';
  if (fd !== -1) {
    try {
      const { size } = fstatSync(fd);
      if (size < offset + length) found = `${size}`;
      // A file system that died, or a device that cannot be read, shows here.
      else for (const at of [offset, offset + length - 1]) readSync(fd, Buffer.alloc(1), 0, 1, at);
    } catch (cause) {
      return systemError(cause, operation, address);
    }
  }
  const detail = `expected a file of at least ${offset + length} bytes, got ${found}`;
  return new ShmError('ERR_TRUNCATED', detail, operation, address);
}
