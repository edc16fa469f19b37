import { ShmError } from '../../errors.js';
import { loadWord, storeWord } from './atomics.js';
import { Field, isCapacity, layoutVersion, minCapacity, ringHeaderBytes } from './layout.js';
import type { RingMemory } from './memory.js';

/** How long an opener waits for the maker to finish the header, in milliseconds. */
const openTimeout = 100;

/** Writes the constants of an empty ring into zeroed memory. */
export function formatHeader(memory: RingMemory, magic: number, capacity: number): void {
  writeConstants(memory.words, magic, capacity, false);
  memory.wake(Field.magic);
}

/** The first and the last bytes of a file in which a ring is kept. */
export function keptEnds(magic: number, capacity: number): { first: Uint8Array; last: Uint8Array } {
  const words = new Int32Array(ringHeaderBytes / 4);
  writeConstants(words, magic, capacity, true);
  return { first: new Uint8Array(words.buffer), last: new Uint8Array(Int32Array.of(magic).buffer) };
}

function writeConstants(words: Int32Array, magic: number, capacity: number, kept: boolean): void {
  storeWord(words, Field.version, layoutVersion);
  storeWord(words, Field.capacity, capacity);
  storeWord(words, Field.kept, Number(kept));
  // Last: a process that sees the magic sees the rest.
  storeWord(words, Field.magic, magic);
}

/**
 * Checks the constants before anything is written into a ring that another process made, or is
 * about to finish.
 *
 * @returns its capacity in bytes
 * @throws {ShmError} `ERR_CORRUPT` where it is not a ring of that kind, `ERR_VERSION`
 */
export function checkHeader(memory: RingMemory, magic: number, operation: string): number {
  const { words, patience = openTimeout } = memory;
  if (patience > 0 && words.byteLength >= leastBytes && loadWord(words, Field.magic) === 0) {
    memory.wait(Field.magic, 0, patience);
  }
  const capacity = headerCapacity(memory, magic, operation);
  memory.populate(ringHeaderBytes + capacity);
  return capacity;
}

/** Of a ring whose header has been checked. */
export function isKept({ words }: Pick<RingMemory, 'words'>): boolean {
  return loadWord(words, Field.kept) !== 0;
}

/** The shortest ring. */
const leastBytes = ringHeaderBytes + minCapacity;

/**
 * The same without waiting for the maker of the header, and without writing; for the command, too.
 */
export function headerCapacity(
  { words, address }: Pick<RingMemory, 'words' | 'address'>,
  magic: number,
  operation: string,
): number {
  const fail = (code: string, detail: string) => new ShmError(code, detail, operation, address);
  if (words.byteLength < leastBytes) {
    throw fail('ERR_CORRUPT', `expected at least ${leastBytes} bytes, got ${words.byteLength}`);
  }
  const found = loadWord(words, Field.magic);
  if (found === 0) {
    const detail = 'expected the magic of a ring, got 0: it is still being made, or was cut';
    throw fail('ERR_CORRUPT', detail);
  }
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
