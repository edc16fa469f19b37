import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { invalidArgument, ShmError } from '../../errors.js';
import { existingDirectory, regionDirectory } from '../../native/directory.js';
import type { FilePath } from '../../native/paths.js';
import { reapLeftOver } from '../../native/reap.js';
import { Region } from '../../native/region.js';
import type { CodecOption } from '../codec/types.js';
import { checkHeader, formatHeader, keptEnds, topicBytes, type TopicConstants } from './header.js';
import { codecNumbers, Field } from './layout.js';
import { RegionTopicMemory } from './memory.js';
import { checkName, type TopicCreateOptions } from './options.js';

/** A topic's memory, and what stands at its head. */
export interface OpenTopic {
  readonly memory: RegionTopicMemory;
  readonly constants: TopicConstants;
}

/** How often another process may make or remove the topic while it is opened. */
const mostTries = 20;

/** The file of a topic is named for what it is called, so that everybody finds it. */
function fileName(name: string): string {
  return `topic-${createHash('sha256').update(name).digest('hex').slice(0, 24)}`;
}

/** Makes a topic in the region directory; or takes one of that name that some reader still has open. */
export function makeTopic(
  wanted: TopicConstants,
  isNamed: boolean,
  directory: string | undefined,
): OpenTopic {
  const operation = 'topic.create';
  const home = isNamed ? regionDirectory(directory) : undefined;
  const file = isNamed ? fileName(wanted.name) : undefined;
  return retried(
    () => {
      try {
        const region = Region.create({
          ...{ bytes: topicBytes(wanted), kind: 'topic', operation, name: file },
          ...(directory !== undefined && { directory }),
        });
        const memory = new RegionTopicMemory(region);
        formatHeader(memory.words, memory.plain, wanted);
        memory.wake(Field.magic);
        return { memory, constants: wanted };
      } catch (error) {
        if (file === undefined || (error as ShmError).code !== 'EEXIST') throw error;
      }
      const path = join(home!, file);
      return reapLeftOver(path) ? undefined : take(path, operation);
    },
    operation,
    wanted.name,
  );
}

/** The same for one that is kept in a file. */
export function makeKept(wanted: TopicConstants, path: FilePath): OpenTopic {
  const operation = 'topic.create';
  try {
    const ends = keptEnds(wanted);
    return checked(
      Region.createKept({ bytes: topicBytes(wanted), path, ends, operation }),
      operation,
    );
  } catch (error) {
    if ((error as ShmError).code !== 'EEXIST') throw error;
    return checked(Region.open(path, { operation }), operation);
  }
}

/**
 * Opens a topic by its name, its handle, or the path of its file, which has a slash in it.
 *
 * @throws {ShmError} `ENOENT`
 */
export function findTopic(at: unknown, directory: string | undefined): OpenTopic {
  const operation = 'topic.open';
  const path = pathOf(at);
  if (path !== undefined) return checked(Region.open(path, { operation }), operation);
  if (typeof at !== 'string') {
    throw invalidArgument(operation, 'topic', 'a name, a path or the handle of a topic', at);
  }
  checkName(operation, at);
  const home = existingDirectory(directory);
  const found = home && retried(() => take(join(home, fileName(at)), operation), operation, at);
  if (found) return found;
  throw new ShmError('ENOENT', 'there is no topic of that name', operation, at);
}

function pathOf(at: unknown): FilePath | undefined {
  if (typeof at === 'string') return /[/\\]/.test(at) ? at : undefined;
  const { path, href } = (at ?? {}) as { path?: unknown; href?: unknown };
  if (typeof path === 'string') return path;
  return typeof href === 'string' || ArrayBuffer.isView(at) ? (at as FilePath) : undefined;
}

/** Undefined: its last user left meanwhile. */
function take(path: string, operation: string): OpenTopic | undefined {
  let region: Region;
  try {
    region = Region.open(path, { operation });
  } catch (error) {
    if ((error as ShmError).code === 'ENOENT') return undefined;
    throw error;
  }
  return checked(region, operation);
}

function checked(region: Region, operation: string): OpenTopic {
  const memory = new RegionTopicMemory(region);
  try {
    const constants = checkHeader(memory, operation);
    if (constants.kept) region.leaveName();
    return { memory, constants };
  } catch (error) {
    // What is no topic of ours is not ours to remove.
    region.leaveName();
    region.close(true);
    throw error;
  }
}

function retried(attempt: () => OpenTopic | undefined, operation: string, name: string): OpenTopic {
  for (let tries = operation === 'topic.open' ? 1 : mostTries; tries > 0; tries--) {
    const made = attempt();
    if (made) return made;
  }
  throw new ShmError('ENOENT', 'there is no topic of that name', operation, name);
}

/** @throws {ShmError} `ERR_INVALID_ARG` where a topic is there that is another than was asked for */
export function checkSame<T>(
  operation: string,
  { constants, memory }: OpenTopic,
  { capacity, codec }: TopicCreateOptions<T>,
): void {
  const fail = (what: string, there: string | number, wanted: string | number) => {
    const detail = `the topic is there with ${what} ${there}, and was to have ${wanted}`;
    return new ShmError('ERR_INVALID_ARG', detail, operation, memory.address);
  };
  const number = numberOf(codec);
  if (constants.codec !== number) {
    throw fail('codec', nameOfCodec(constants.codec), nameOfCodec(number));
  }
  if (capacity !== undefined && capacity !== constants.capacity) {
    throw fail('capacity', constants.capacity, capacity);
  }
}

/** What stands in the header for a codec. */
export function numberOf<T>(codec: CodecOption<T> | undefined): number {
  if (codec === undefined) return codecNumbers.structured;
  return typeof codec === 'string' ? codecNumbers[codec] : codecNumbers.custom;
}

function nameOfCodec(number: number): string {
  const found = Object.entries(codecNumbers).find(([, value]) => value === number);
  return found?.[0] ?? 'unknown';
}
