import { ShmError } from '../../errors.js';
import { loadWord, storeWord } from './atomics.js';
import { Field, isCapacity, layoutVersion, minCapacity, ringHeaderBytes } from './layout.js';
import type { RingMemory } from './memory.js';

/** How long an opener waits for the maker to finish the header, in milliseconds. */
const openTimeout = 100;

/** Writes the constants of an empty ring into zeroed memory. */
export function formatHeader(memory: RingMemory, magic: number, capacity: number): void {
  storeWord(memory.words, Field.version, layoutVersion);
  storeWord(memory.words, Field.capacity, capacity);
  // Last: whoever sees the magic sees the rest.
  storeWord(memory.words, Field.magic, magic);
  memory.wake(Field.magic);
}

/**
 * Checks the constants before anything is written into a ring that somebody else made, who may
 * be about to finish them.
 *
 * @returns its capacity in bytes
 * @throws {ShmError} `ERR_CORRUPT` where it is no ring of that kind, `ERR_VERSION`
 */
export function checkHeader(memory: RingMemory, magic: number, operation: string): number {
  const { words } = memory;
  if (words.byteLength >= leastBytes && loadWord(words, Field.magic) === 0) {
    memory.wait(Field.magic, 0, openTimeout);
  }
  return readCapacity(memory, magic, operation);
}

/** The shortest ring. */
const leastBytes = ringHeaderBytes + minCapacity;

/** The same of a header as it stands, without waiting for its maker: for who only looks, too. */
export function readCapacity(
  { words, address }: Pick<RingMemory, 'words' | 'address'>,
  magic: number,
  operation: string,
): number {
  const fail = (code: string, detail: string) => new ShmError(code, detail, operation, address);
  if (words.byteLength < leastBytes) {
    throw fail('ERR_CORRUPT', `expected at least ${leastBytes} bytes, got ${words.byteLength}`);
  }
  const found = loadWord(words, Field.magic);
  if (found !== magic) {
    throw fail('ERR_CORRUPT', `expected the magic of a ring (${magic}), got ${found}`);
  }
  const version = loadWord(words, Field.version);
  if (version !== layoutVersion) {
    throw fail('ERR_VERSION', `expected layout version ${layoutVersion}, got ${version}`);
  }
  const capacity = loadWord(words, Field.capacity);
  if (!isCapacity(capacity) || ringHeaderBytes + capacity > words.byteLength) {
    const room = words.byteLength - ringHeaderBytes;
    throw fail(
      'ERR_CORRUPT',
      `expected a power of two of at most ${room} as capacity, got ${capacity}`,
    );
  }
  return capacity;
}
