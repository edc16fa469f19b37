import { closeSync, lstatSync, type Stats, statSync, unlinkSync, writeSync } from 'node:fs';

/**
 * Closes a descriptor. It is gone whatever the system says, and what it was opened for is done by
 * then or has failed with an error of its own: a network file system that reports an earlier
 * failure here (`EIO`, `EDQUOT`) must not make that look undone.
 */
export function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // As said above.
  }
}

/**
 * Removes a file of this call's own, which has failed. If it cannot be removed now either, it is
 * left to the next reap; the first error is the one to report.
 */
export function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // As said above.
  }
}

/** Writes all of the bytes, into blocks that are reserved. */
export function writeWhole(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

/** What there is at a path; undefined where that cannot be known: opening it will say why. */
export function lookAt(path: string, followLinks: boolean): Stats | undefined {
  try {
    return followLinks ? statSync(path) : lstatSync(path);
  } catch {
    return undefined;
  }
}
