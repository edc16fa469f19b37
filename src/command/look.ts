import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { ShmError } from '../errors.js';
import { regionDirectory } from '../native/directory.js';
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

/** Everything in the directory. */
export function lookAround(directory?: string): Look[] {
  return find(regionDirectory(directory)).map(found => look(found));
}

/**
 * One region.
 *
 * @param name as `ls` has it, or the id of a MapMem, or the beginning of either where that is
 *   enough; or the path of a ring that is kept in a file
 * @throws {ShmError} `ENOENT`, `ERR_INVALID_ARG` where several begin so, `ERR_CORRUPT`, …
 */
export function lookAt(name: string, directory?: string): Look {
  const found = find(regionDirectory(directory)).filter(
    one => one.name.startsWith(name) || one.name.split('-')[1]!.startsWith(name),
  );
  const [first] = found;
  if (first && (found.length === 1 || first.name === name)) return look(first, true);
  if (first) {
    const names = found.map(one => one.name).join(', ');
    throw new ShmError(
      'ERR_INVALID_ARG',
      `expected the name of one region, got that of ${names}`,
      'stat',
      name,
    );
  }
  if (!existsSync(name)) {
    throw new ShmError(
      'ENOENT',
      'expected the name of a region or the path of a ring',
      'stat',
      name,
    );
  }
  return lookAtFile(resolve(name));
}

/** A region by the path of its file, wherever it lies. */
function lookAtFile(path: string): Look {
  const name = basename(path);
  const found = kindOfName(name) && find(dirname(path)).find(one => one.name === name);
  if (found) return look(found, true);
  using observer = new Observer(path);
  const content = inspect(observer);
  const { kind } = content;
  const state = isUsed(content) ? 'in use' : 'not in use';
  return { name, kind, path, state, pids: undefined, size: observer.words.byteLength, content };
}

function look({ file, kind, ...found }: Found, strict = false): Look {
  if (kind === 'bell') return { ...found, kind: 'doorbell' };
  if (kind === 'bus') return { ...found, kind: 'peer of a bus' };
  if (kind === 'mem') return { ...found, kind: 'memory', content: { kind: 'memory' } };
  try {
    using observer = new Observer(found.path, file);
    const content = inspect(observer);
    return { ...found, kind: content.kind, content };
  } catch (error) {
    if (strict || !(error instanceof ShmError)) throw error;
    return { ...found, kind: 'unknown', problem: error.message };
  }
}

/** Whether anybody has a role or a part. */
function isUsed(content: Content): boolean {
  if (content.kind === 'arena') return content.arena.partsInUse > 0;
  if (content.kind === 'memory') return false;
  return content.rings.some(({ producer, consumer }) => producer.alive || consumer.alive);
}
