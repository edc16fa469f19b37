import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { unusedState } from '../native/reap.js';
import { type FileKind, kindOfName } from '../native/segment.js';

/** A file of the region directory, or a region that has lost its name and is still in use. */
export interface RegionFile {
  readonly name: string;
  /** By its name; what is in it is another matter. */
  readonly kind: FileKind;
  readonly path: string;
  /** What to open: the path, or on Linux a process's descriptor if the region has lost its name. */
  readonly file: string;
  /**
   * `unlinked`: connections take their name away once both sides have them open.
   * `left over`: nobody has it open; `reap` removes it.
   * `not in use`: the same of a ring that is kept, which stays.
   */
  readonly state: 'in use' | 'unlinked' | 'left over' | 'not in use';
  /** Processes of this user that have it open, as far as can be seen; only on Linux. */
  readonly pids: readonly number[] | undefined;
  /** Bytes. */
  readonly size: number;
}

const order: readonly FileKind[] = ['ring', 'topic', 'link', 'region', 'mem', 'bus', 'bell'];

/**
 * What this package has in a region directory. Connections have no name there: on Linux they
 * are found through the descriptors of the processes that have them open, elsewhere not at all.
 */
export function findRegions(directory: string): RegionFile[] {
  const users = process.platform === 'linux' ? openFiles(directory) : undefined;
  const found: RegionFile[] = [];
  for (const name of readdirSync(directory)) {
    const kind = kindOfName(name);
    const path = join(directory, name);
    const size = kind && sizeOf(path, kind);
    if (size === undefined) continue;
    const pids = users && [...(users.get(name)?.pids ?? [])];
    users?.delete(name);
    // With a known user the lease is not tried: trying it could get in that user's way.
    const state = (!pids?.length && unusedState(path)) || 'in use';
    found.push({ name, kind: kind!, path, file: path, state, pids, size });
  }
  for (const [name, { file, pids, removed }] of users ?? []) {
    const kind = kindOfName(name);
    // A region that has lost its name since the directory was read is listed next time.
    const stats = removed ? quietly(() => statSync(file)) : undefined;
    if (!kind || !stats) continue;
    const path = join(directory, name);
    found.push({ name, kind, path, file, state: 'unlinked', pids: [...pids], size: stats.size });
  }
  return found.sort(
    (a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.name.localeCompare(b.name),
  );
}

/** Undefined for a file that is gone meanwhile, and for one that only has the name of a region. */
function sizeOf(path: string, kind: FileKind): number | undefined {
  const stats = quietly(() => lstatSync(path));
  const isKind = kind === 'bell' ? stats?.isFIFO() : stats?.isFile();
  return isKind ? stats!.size : undefined;
}

interface OpenFile {
  /** One process's descriptor of it. */
  file: string;
  pids: Set<number>;
  /** Its name is gone. */
  removed: boolean;
}

/** The files of a directory that processes have open, by name. Other users' are left out. */
function openFiles(directory: string): Map<string, OpenFile> {
  const prefix = `${realpathSync(directory)}/`;
  const removedSuffix = ' (deleted)';
  const files = new Map<string, OpenFile>();
  for (const pid of readdirSync('/proc').map(Number).filter(Boolean)) {
    if (pid === process.pid) continue;
    for (const descriptor of quietly(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
      const file = `/proc/${pid}/fd/${descriptor}`;
      const target = quietly(() => readlinkSync(file));
      if (!target?.startsWith(prefix)) continue;
      const removed = target.endsWith(removedSuffix);
      const name = target.slice(prefix.length, removed ? -removedSuffix.length : undefined);
      let entry = files.get(name);
      if (!entry) files.set(name, (entry = { file, pids: new Set(), removed }));
      entry.pids.add(pid);
    }
  }
  return files;
}

/** Processes end meanwhile, and other users' processes cannot be read. */
export function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
