import { ShmError } from '../../errors.js';
import { loadWord, storeWord } from '../ring/atomics.js';
import { layoutVersion } from '../ring/layout.js';
import {
  Field,
  headerBytes,
  isTopicCapacity,
  maxNameBytes,
  nameOffset,
  topicMagic,
  trailerBytes,
} from './layout.js';
import type { TopicMemory } from './memory.js';

/** How long an opener waits for the maker to finish the header, in milliseconds. */
const openTimeout = 100;

/** What does not change in a topic. */
export interface TopicConstants {
  readonly name: string;
  readonly capacity: number;
  readonly codec: number;
  readonly kept: boolean;
}

/** Bytes of the region or file. */
export function topicBytes({ capacity, kept }: Pick<TopicConstants, 'capacity' | 'kept'>): number {
  return headerBytes + capacity + (kept ? trailerBytes : 0);
}

/** Writes the constants of an empty topic into zeroed memory; the magic last. */
export function formatHeader(words: Int32Array, plain: Uint8Array, topic: TopicConstants): void {
  const name = Buffer.from(topic.name);
  plain.set(name, nameOffset);
  storeWord(words, Field.nameLength, name.length);
  storeWord(words, Field.version, layoutVersion);
  storeWord(words, Field.capacity, topic.capacity);
  storeWord(words, Field.kept, Number(topic.kept));
  storeWord(words, Field.codec, topic.codec);
  storeWord(words, Field.magic, topicMagic);
}

/** The first and the last bytes of a file in which a topic is kept. */
export function keptEnds(topic: TopicConstants): { first: Uint8Array; last: Uint8Array } {
  const first = new Uint8Array(256);
  formatHeader(new Int32Array(first.buffer), first, topic);
  return { first, last: new Uint8Array(Int32Array.of(topicMagic).buffer) };
}

/**
 * Checks the constants before anything is written there.
 *
 * @throws {ShmError} `ERR_CORRUPT` where it is no topic, `ERR_VERSION`, `ERR_TRUNCATED` where the
 *   file it is kept in was cut
 */
export function checkHeader(memory: TopicMemory, operation: string): TopicConstants {
  if (memory.words.length > headerBytes / 4 && loadWord(memory.words, Field.magic) === 0) {
    memory.wait(Field.magic, 0, openTimeout);
  }
  return readConstants(memory, operation);
}

/** The same for a header as it stands; also for looks that may not write. */
export function readConstants(
  { words, address }: Pick<TopicMemory, 'words' | 'address'>,
  operation: string,
): TopicConstants {
  const fail = (code: string, detail: string) => new ShmError(code, detail, operation, address);
  const magic = words.length > Field.magic ? loadWord(words, Field.magic) : 0;
  if (magic !== topicMagic) {
    const got = magic === 0 ? '0: it is still being made, or was cut' : String(magic);
    throw fail('ERR_CORRUPT', `expected the magic of a topic (${topicMagic}), got ${got}`);
  }
  const version = loadWord(words, Field.version);
  if (version !== layoutVersion) {
    throw fail('ERR_VERSION', `expected layout version ${layoutVersion}, got ${version}`);
  }
  const capacity = loadWord(words, Field.capacity);
  const kept = loadWord(words, Field.kept) !== 0;
  const codec = loadWord(words, Field.codec);
  const nameLength = loadWord(words, Field.nameLength);
  if (!isTopicCapacity(capacity) || nameLength < 0 || nameLength > maxNameBytes) {
    throw fail('ERR_CORRUPT', `expected the header of a topic, got a capacity of ${capacity}`);
  }
  const expected = topicBytes({ capacity, kept });
  const length = 4 * words.length;
  if (length < expected || (kept && words[expected / 4 - 1] !== topicMagic)) {
    const detail = `expected a topic of ${expected} bytes, got ${length}: it was cut`;
    throw fail(kept ? 'ERR_TRUNCATED' : 'ERR_CORRUPT', detail);
  }
  const name = Buffer.alloc(nameLength);
  for (let i = 0; i < nameLength; i++) {
    const at = nameOffset + i;
    name[i] = loadWord(words, at >> 2) >>> (8 * (at & 3));
  }
  return { name: name.toString(), capacity, kept, codec };
}
