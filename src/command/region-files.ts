import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type FileKind, isLeftOver, kindOfName } from '../native/segment.js';

/** A file of the region directory, or a region whose name is gone and that is in use still. */
export interface RegionFile {
  readonly name: string;
  /** By its name; what is in it is another matter. */
  readonly kind: FileKind;
  readonly path: string;
  /** What to open: the path, or on Linux a process's descriptor of what has no name any more. */
  readonly file: string;
  /**
   * `unlinked`: connections take their name away once both sides have them open.
   * `left over`: nobody has it open; `reap` removes it.
   */
  readonly state: 'in use' | 'unlinked' | 'left over';
  /** Processes of this user that have it open, as far as can be seen; only on Linux. */
  readonly pids: readonly number[] | undefined;
  /** Bytes. */
  readonly size: number;
}

const order: readonly FileKind[] = ['ring', 'link', 'region', 'mem', 'bus', 'bell'];

/**
 * What this package has in a region directory. Connections have no name there: on Linux they
 * are found by the descriptors of the processes that have them, elsewhere not at all.
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
    // Where a user is seen nothing is asked of the lease, in whose way that could be.
    const state = !pids?.length && isLeftOver(path) ? 'left over' : 'in use';
    found.push({ name, kind: kind!, path, file: path, state, pids, size });
  }
  for (const [name, { file, pids, removed }] of users ?? []) {
    const kind = kindOfName(name);
    // What has lost its name since the directory was read comes with the next look.
    const stats = removed ? quietly(() => statSync(file)) : undefined;
    if (!kind || !stats) continue;
    const path = join(directory, name);
    found.push({ name, kind, path, file, state: 'unlinked', pids: [...pids], size: stats.size });
  }
  return found.sort(
    (a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.name.localeCompare(b.name),
  );
}

/** Undefined for what is gone meanwhile, and for what only has the name of a region. */
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

/** The files of a directory that processes have open, by name. Those of others are left out. */
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

/** Processes end, and others are none of this user's. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
