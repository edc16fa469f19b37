import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { ShmError } from '../errors.js';
import { existingDirectory } from '../native/directory.js';
import { Observer } from '../native/observer.js';
import { kindOfName } from '../native/segment.js';
import { find, type Found } from './find.js';
import { type Content, inspect } from './inspect.js';

/** What the command tells of a region; with `--json` as it is. */
export interface Look extends Omit<Found, 'file' | 'kind' | 'state'> {
  readonly kind: Content['kind'] | 'peer of a bus' | 'doorbell' | 'unknown';
  /** A ring that is kept in a file may well be `not in use`. */
  readonly state: Found['state'] | 'not in use';
  readonly content?: Content;
  /** Why there is no content: it is corrupt, of another version, or gone meanwhile. */
  readonly problem?: string;
}

/**
 * Everything in the directory.
 *
 * @throws {ShmError} `ENOENT` where a directory was named and is not there, `ERR_UNSAFE_DIRECTORY`
 */
export function lookAround(directory?: string): Look[] {
  return findIn(directory)
    .map(found => look(found))
    .filter(found => found !== undefined);
}

/**
 * One region.
 *
 * @param name as `ls` has it, or the id of a MapMem; or the path of a ring that is kept in a
 *   file; or the beginning of a name or id, where that is enough
 * @throws {ShmError} `ENOENT`, `ERR_INVALID_ARG` where several begin so, `ERR_CORRUPT`, …
 */
export function lookAt(name: string, directory?: string): Look {
  const found = findIn(directory);
  const exact = found.find(one => one.name === name);
  if (exact) return lookInto(exact);
  if (existsSync(name)) return lookAtFile(resolve(name));
  const beginning = found.filter(
    one =>
      one.kind !== 'bell' &&
      (one.name.startsWith(name) || one.name.split('-')[1]!.startsWith(name)),
  );
  if (beginning.length === 1) return lookInto(beginning[0]!);
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

function findIn(option: string | undefined): Found[] {
  const directory = placeOf(option);
  return directory === undefined ? [] : find(directory);
}

/**
 * The region directory. Undefined where there is none yet.
 *
 * @throws {ShmError} `ENOENT` where one was named and is not there, `ERR_UNSAFE_DIRECTORY`
 */
export function placeOf(option: string | undefined): string | undefined {
  const directory = existingDirectory(option);
  if (directory !== undefined || option === undefined) return directory;
  throw new ShmError('ENOENT', 'expected a region directory', 'region.directory', option);
}

/** A region by the path of its file, wherever it lies. */
function lookAtFile(path: string): Look {
  const name = basename(path);
  const found = kindOfName(name) && find(dirname(path)).find(one => one.name === name);
  if (found) return lookInto(found);
  using observer = new Observer(path);
  const content = inspect(observer);
  const { kind } = content;
  const state = isUsed(content) ? 'in use' : 'not in use';
  return { name, kind, path, state, pids: undefined, size: observer.words.byteLength, content };
}

/** Undefined where it is gone meanwhile; what is wrong with it is told in its place. */
function look(found: Found): Look | undefined {
  try {
    return lookInto(found);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const { name, path, state, pids, size } = found;
    return { name, kind: 'unknown', path, state, pids, size, problem: (error as Error).message };
  }
}

/** @throws {ShmError} where it is corrupt, of another version or gone */
function lookInto({ file, kind, ...found }: Found): Look {
  if (kind === 'bell') return { ...found, kind: 'doorbell' };
  if (kind === 'bus') return { ...found, kind: 'peer of a bus' };
  if (kind === 'mem') return { ...found, kind: 'memory', content: { kind: 'memory' } };
  using observer = new Observer(found.path, file);
  const content = inspect(observer);
  return { ...found, kind: content.kind, content };
}

/** Whether anybody has a role or a part. */
function isUsed(content: Content): boolean {
  if (content.kind === 'arena') return content.arena.partsInUse > 0;
  if (content.kind === 'memory') return false;
  return content.rings.some(({ producer, consumer }) => producer.alive || consumer.alive);
}
