import { mkdirSync, mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A new region directory for a run: in the one that MMAP_TRANSPORT_DIR names, else in memory, else
 * in the temporary directory. A container may have no /dev/shm, or one that this user cannot write;
 * Windows has none, but under Wine the path leads to that of the machine around it.
 *
 * @param room bytes that have to be free in memory; with fewer it is in the temporary directory, and
 *   says so
 */
export function makeRegionHome(prefix: string, room = 0): string {
  const told = process.env.MMAP_TRANSPORT_DIR;
  if (told) {
    mkdirSync(told, { recursive: true, mode: 0o700 });
    return mkdtempSync(join(told, prefix));
  }
  const inTemporary = () => mkdtempSync(join(tmpdir(), prefix));
  if (process.platform === 'win32') return inTemporary();
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    const free = bavail * bsize;
    if (free >= room) return mkdtempSync(join('/dev/shm', prefix));
    const mebibytes = Math.floor(free / 2 ** 20);
    console.error(
      `/dev/shm has ${mebibytes} MiB free: regions lie in ${tmpdir()}, which is slower`,
    );
  } catch {
    // There is none, or this user cannot write it.
  }
  return inTemporary();
}
