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
  if (process.platform === 'win32') return mkdtempSync(join(tmpdir(), prefix));
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    const mebibytes = Math.floor((bavail * bsize) / 2 ** 20);
    if (bavail * bsize >= room) return mkdtempSync(join('/dev/shm', prefix));
    console.error(
      `/dev/shm has ${mebibytes} MiB free: regions lie in ${tmpdir()}, which is slower`,
    );
    return mkdtempSync(join(tmpdir(), prefix));
  } catch {
    return mkdtempSync(join(tmpdir(), prefix));
  }
}
