import { readSync } from 'node:fs';
import { basename } from 'node:path';
import { kindOfName, type SegmentFile } from './segment.js';

/** The byte of a ring's header at which a word says whether its file is kept: 1. */
export const keptOffset = 20;

/**
 * Whether an open file is a ring that its users want kept, although it has a name that this package
 * gives to what it removes. The name alone does not tell: a ring may be kept under any, also in the
 * region directory.
 *
 * @throws what `readSync` does
 */
export function isKeptRing(path: string, fd: number): boolean {
  if (kindOfName(basename(path)) !== 'ring') return false;
  const word = Buffer.alloc(4);
  return readSync(fd, word, 0, 4, keptOffset) === 4 && word.readInt32LE() === 1;
}

/** Whether an open file is removed when its last user closes it. */
export function goesWithLastUser({ path, fd }: SegmentFile): boolean {
  if (kindOfName(basename(path)) === undefined) return false;
  try {
    return !isKeptRing(path, fd);
  } catch {
    return false; // it cannot be read now; if it is left over, reap will see it
  }
}
