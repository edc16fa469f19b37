import { ShmError } from '../../errors.js';
import { loadWord, storeWord } from '../ring/atomics.js';
import { Header, headerBytes, maxParts, pageBytes, Stamp, ticketBytes } from './layout.js';

/** Sizes and switches of an arena, as its header has them. */
export interface Shape {
  parts: number;
  /** Tickets included. */
  partBytes: number;
  /** In each part. */
  tickets: number;
  debug: boolean;
}

/** Into a new arena's words. */
export function writeShape(words: Int32Array, { parts, partBytes, tickets, debug }: Shape): void {
  storeWord(words, Header.version, Stamp.version);
  storeWord(words, Header.parts, parts);
  storeWord(words, Header.partPages, partBytes / pageBytes);
  storeWord(words, Header.tickets, tickets);
  storeWord(words, Header.debug, debug ? 1 : 0);
  // Last: whoever sees the magic sees the rest.
  storeWord(words, Header.magic, Stamp.magic);
}

/**
 * @param words of the whole file
 * @throws {ShmError} `ERR_CORRUPT`, `ERR_VERSION`
 */
export function readShape(words: Int32Array, path: string): Shape {
  const bytes = words.byteLength;
  const fail = (code: string, detail: string) => new ShmError(code, detail, 'arena.open', path);
  if (bytes < headerBytes) {
    throw fail('ERR_CORRUPT', `expected at least ${headerBytes} bytes, got ${bytes}`);
  }
  const magic = loadWord(words, Header.magic);
  if (magic !== Stamp.magic) {
    throw fail('ERR_CORRUPT', `expected the magic of an arena, got ${magic}`);
  }
  const version = loadWord(words, Header.version);
  if (version !== Stamp.version) {
    throw fail('ERR_VERSION', `expected layout version ${Stamp.version}, got ${version}`);
  }
  const parts = loadWord(words, Header.parts);
  const partBytes = loadWord(words, Header.partPages) * pageBytes;
  if (parts < 1 || parts > maxParts || partBytes < 1 || headerBytes + parts * partBytes !== bytes) {
    const detail = `expected parts that fill ${bytes} bytes, got ${parts} of ${partBytes}`;
    throw fail('ERR_CORRUPT', detail);
  }
  const tickets = loadWord(words, Header.tickets);
  if (tickets < 1 || tickets * ticketBytes >= partBytes) {
    throw fail('ERR_CORRUPT', `expected tickets within ${partBytes} bytes, got ${tickets}`);
  }
  return { parts, partBytes, tickets, debug: loadWord(words, Header.debug) !== 0 };
}
