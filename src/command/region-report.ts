import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { ShmError } from '../errors.js';
import { existingDirectory } from '../native/directory.js';
import { RegionSnapshot } from '../native/region-snapshot.js';
import { kindOfName } from '../native/segment.js';
import { findRegions, type RegionFile } from './region-files.js';
import { type RegionContent, inspect } from './inspect.js';

/** What the command reports about a region; printed as it is with `--json`. */
export interface RegionReport extends Omit<RegionFile, 'file' | 'kind' | 'state'> {
  readonly kind: RegionContent['kind'] | 'peer of a bus' | 'doorbell' | 'unknown';
  /** A ring kept in a file may be `not in use`. */
  readonly state: RegionFile['state'];
  readonly content?: RegionContent;
  /** Why there is no content: the region is corrupt, of another version, or gone meanwhile. */
  readonly problem?: string;
}

/**
 * Everything in the directory.
 *
 * @throws {ShmError} `ENOENT` if the named directory does not exist, `ERR_UNSAFE_DIRECTORY`
 */
export function reportAll(directory?: string): RegionReport[] {
  return regionFilesIn(directory)
    .map(found => reportOrProblem(found))
    .filter(found => found !== undefined);
}

/**
 * One region.
 *
 * @param name as `ls` has it, or the id of a MapMem; or the path of a ring or topic that is
 *   kept in a file; or the beginning of a name or id, where that is enough
 * @throws {ShmError} `ENOENT`, `ERR_INVALID_ARG` where several begin so, `ERR_CORRUPT`, …
 */
export function reportOne(name: string, directory?: string): RegionReport {
  const found = regionFilesIn(directory);
  const exact = found.find(one => one.name === name);
  if (exact) return reportRegion(exact);
  if (existsSync(name)) return reportFile(resolve(name));
  const beginning = found.filter(
    one =>
      one.kind !== 'bell' &&
      (one.name.startsWith(name) || one.name.split('-')[1]!.startsWith(name)),
  );
  if (beginning.length === 1) return reportRegion(beginning[0]!);
  const fail = (code: string, detail: string) => new ShmError(code, detail, 'stat', name);
  if (beginning.length === 0) {
    throw fail('ENOENT', 'expected the name of a region or the path of a ring');
  }
  const some = beginning.slice(0, 5).map(one => one.name);
  const more = beginning.length > some.length ? `, and ${beginning.length - some.length} more` : '';
  throw fail(
    'ERR_INVALID_ARG',
    `expected the name of one region, got that of ${some.join(', ')}${more}`,
  );
}

function regionFilesIn(option: string | undefined): RegionFile[] {
  const directory = directoryFor(option);
  return directory === undefined ? [] : findRegions(directory);
}

/**
 * The region directory. Undefined if there is none yet.
 *
 * @throws {ShmError} `ENOENT` if one was named and does not exist, `ERR_UNSAFE_DIRECTORY`
 */
export function directoryFor(option: string | undefined): string | undefined {
  const directory = existingDirectory(option);
  if (directory !== undefined || option === undefined) return directory;
  throw new ShmError('ENOENT', 'expected a region directory', 'region.directory', option);
}

/** A region by the path of its file, wherever it lies. */
function reportFile(path: string): RegionReport {
  const name = basename(path);
  const found = kindOfName(name) && findRegions(dirname(path)).find(one => one.name === name);
  if (found) return reportRegion(found);
  using snapshot = new RegionSnapshot(path);
  const content = inspect(snapshot);
  const { kind } = content;
  const state = isInUse(content) ? 'in use' : 'not in use';
  return { name, kind, path, state, pids: undefined, size: snapshot.words.byteLength, content };
}

/** Undefined if it is gone meanwhile; for a region that is not sound, the report says why. */
function reportOrProblem(found: RegionFile): RegionReport | undefined {
  try {
    return reportRegion(found);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const { name, path, state, pids, size } = found;
    return { name, kind: 'unknown', path, state, pids, size, problem: (error as Error).message };
  }
}

/** @throws {ShmError} where it is corrupt, of another version or gone */
function reportRegion({ file, kind, ...found }: RegionFile): RegionReport {
  if (kind === 'bell') return { ...found, kind: 'doorbell' };
  if (kind === 'bus') return { ...found, kind: 'peer of a bus' };
  if (kind === 'mem') return { ...found, kind: 'memory', content: { kind: 'memory' } };
  using snapshot = new RegionSnapshot(found.path, file);
  const content = inspect(snapshot);
  return { ...found, kind: content.kind, content };
}

/** Whether anybody has a role or a part. */
function isInUse(content: RegionContent): boolean {
  if (content.kind === 'arena') return content.arena.partsInUse > 0;
  if (content.kind === 'memory') return false;
  if (content.kind === 'topic') {
    return content.topic.publisher.state === 'live' || content.topic.readers.length > 0;
  }
  return content.rings.some(({ producer, consumer }) => producer.alive || consumer.alive);
}
