import { outOfRange } from '../../errors.js';
import { keptOffset } from '../../native/kept.js';

/*
 * A ring in memory: a header of eight lines, then `capacity` bytes of records.
 *
 *   byte 0      constants       magic, version, capacity, kept: written once, magic last; nonces
 *   byte 128    producer line   tail, state, pid, counters     written by the producer
 *   byte 256    consumer line   head, state, pid, counters     written by the consumer
 *   byte 384    consumer park   waiting: set by the consumer, taken by the producer
 *   byte 512    producer park   waiting: set by the producer, taken by the consumer
 *   byte 640    consumer bell   token, id, directory           written by the consumer
 *   byte 832    producer bell   token, id, directory           written by the producer
 *   byte 1024   records
 *   the end     of a ring kept in a file: a line whose last word is the magic again. Wherever
 *               somebody cuts the file short, that word is gone, also when the file grows again.
 *
 * The park lines are apart from the position lines because both sides write them, rarely;
 * the bells are written once per holder of a role, before `waiting` says that they count.
 *
 * A line is 128 bytes, not 64: processors fetch cache lines in pairs, and two counters
 * written by two cores in one pair cost each other a transfer per message.
 *
 * A record:
 *
 *   0        4        8                    8 + length      next multiple of 8
 *   | length | kind   | payload ...        | unused        |
 *
 * It starts at a multiple of 8 and never straddles the end of the record area; where the
 * rest is too short for the next one, a record of kind `padding` fills it.
 *
 * A channel sends what is too long for one record as several, see {@link pieceLength}. Only a
 * channel reads them: in a ring of its own such a kind is as wrong as any other number.
 *
 *   firstPiece   the message's length (8, a float), then its first bytes
 *   piece        more of it; the message is whole once all its bytes are there
 *   abort        the message that had begun will not be finished
 *
 * Between the first piece and the last, or the abort, no other record may come.
 *
 * Positions (`tail`, `head`) count bytes since the ring was made, modulo 2^32, and are
 * kept as signed 32-bit integers, which is what V8 holds without allocating. A position
 * becomes an index into the record area by `& (capacity - 1)`; two are compared by their
 * difference `| 0`, which is right as long as it is below 2^31: capacity is at most 2^30.
 *
 * The ring of a byte stream has the same header, and no records: its bytes follow each
 * other, round the end, and a position may be any number.
 */

const lineBytes = 128;
const word = (line: number, index: number): number => (line * lineBytes) / 4 + index;

/** Indices of 32-bit words in the header. */
export const Field = {
  magic: word(0, 0),
  version: word(0, 1),
  capacity: word(0, 2),
  /** Stand in for the kernel's locks where the memory is JavaScript's own. */
  producerLock: word(0, 3),
  consumerLock: word(0, 4),
  /** 1: the ring is kept in an ordinary file, which stays when its users have gone. */
  kept: keptOffset / 4,
  /** Four words each, in a link's first ring: what shows both sides that they map one file. */
  listenerNonce: word(0, 8),
  dialerNonce: word(0, 12),

  /** Bytes published. One writer: the producer. */
  tail: word(1, 0),
  producerState: word(1, 1),
  producerPid: word(1, 2),

  /** Bytes released. One writer: the consumer. */
  head: word(2, 0),
  consumerState: word(2, 1),
  consumerPid: word(2, 2),

  /** A {@link Waiting}: the consumer sets it, the producer takes it back to 0. */
  consumerWaiting: word(3, 0),
  /** A {@link Waiting}: the producer sets it, the consumer takes it back to 0. */
  producerWaiting: word(4, 0),
} as const;

/** Indices of 64-bit floats in the header: counters, for people to read. */
export const Counter = {
  recordsWritten: word(1, 4) / 2,
  /** How often the ring was found full. */
  fullCount: word(1, 6) / 2,
  /** How often the producer had to wake its consumer. */
  producerWakes: word(1, 8) / 2,
  /** How often the tail went past 2^32. */
  tailWraps: word(1, 10) / 2,
  recordsRead: word(2, 4) / 2,
  consumerWakes: word(2, 8) / 2,
} as const;

/**
 * A doorbell as the peer reads it: the first word is the token to send, three words
 * name the bell, one is the length of its directory's path, which follows as UTF-8.
 */
export const Bell = {
  consumer: word(5, 0),
  producer: word(5, 0) + 48,
  token: 0,
  id: 1,
  idWords: 3,
  directoryLength: 4,
  directory: 5,
  maxDirectoryBytes: (48 - 5) * 4,
} as const;

/** What a role says about itself. One writer: the role's holder. */
export const RoleState = {
  never: 0,
  /** Held. If its lock is free all the same, the holder was killed. */
  attached: 1,
  /** Given up in good order. A producer's: no more records will come. */
  ended: 2,
  /** The holder found the ring's content impossible; nobody may go on with it. */
  poisoned: 3,
} as const;

/** How a side sleeps. */
export const Waiting = {
  none: 0,
  /** In a blocking call: wake it through the waiting word itself. */
  blocked: 1,
  /** In its event loop: ring its bell. */
  parked: 2,
} as const;

export const RecordKind = { data: 1, padding: 2, firstPiece: 3, piece: 4, abort: 5 } as const;

/** Stands in front of the bytes of a first piece. */
export const pieceTotalBytes = 8;

export const ringHeaderBytes = 8 * lineBytes;
/** Only of a ring kept in a file. */
export const ringTrailerBytes = lineBytes;
export const recordHeaderBytes = 8;
export const recordAlignment = 8;
export const minCapacity = 4096;
const maxCapacity = 2 ** 30;

/**
 * Bytes a record of `length` payload bytes takes up in the ring. On the path of a message, producer
 * and consumer write this out: a call made corked writes and reads a tenth slower.
 */
export function recordBytes(length: number): number {
  return (length + recordHeaderBytes + recordAlignment - 1) & -recordAlignment;
}

/**
 * The longest payload a ring takes: a record is at most half the ring, so that it fits
 * into an empty one at whatever index the tail stands, padding before it included.
 */
export function maxPayload(capacity: number): number {
  return capacity / 2 - recordHeaderBytes;
}

/**
 * The payload of a piece of a long message: with its header an eighth of the ring, so that the
 * writer fills one part while the reader empties others, and pieces end where the ring does.
 */
export function pieceLength(capacity: number): number {
  return capacity / 8 - recordHeaderBytes;
}

/** What an opener checks, and what a maker writes; see header.ts. */
export const Magic = {
  /** A ring of records: 'MMRG' as the bytes lie in memory. */
  ring: 0x4752_4d4d,
  /** A ring of bytes without records: 'MMSG'. */
  stream: 0x4753_4d4d,
} as const;

/** Of the layout of a ring, and of what a region may hold. */
export const layoutVersion = 2;

export function isCapacity(value: number): boolean {
  const fits = typeof value === 'number' && value >= minCapacity && value <= maxCapacity;
  return fits && Number.isInteger(Math.log2(value));
}

export function checkCapacity(operation: string, capacity: number): void {
  if (isCapacity(capacity)) return;
  const expected = `a power of two from ${minCapacity} to ${maxCapacity}`;
  throw outOfRange(operation, 'capacity', expected, capacity);
}
