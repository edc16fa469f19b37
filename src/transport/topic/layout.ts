import { outOfRange } from '../../errors.js';
import type { Rule } from '../../native/arguments.js';

/*
 * A topic in memory: a header of one page, a slot for each reader, then `capacity` bytes of records.
 *
 *   byte 0      constants       magic, version, capacity, kept, codec, name: written once, magic last
 *   byte 256    tail line       tail, state, pid, instance, counters      written by the publisher
 *   byte 384    intent line     intent, epoch                             written by the publisher
 *   byte 512    sleepers        1: some reader sleeps; set by readers, taken by the publisher
 *   byte 640    joins           how often a reader came that is waited for; counted up by readers
 *   byte 768    publisher park  waiting: set by the publisher, taken by readers
 *   byte 896    publisher bell  token, id, directory                      written by the publisher
 *   byte 1152   sleeping        a bit for each reader: set by it, taken by the publisher
 *   byte 1280   waited for      a bit for each reader: set by it, cleared by both
 *   byte 1408   anchors         one for each slice of the records         written by the publisher
 *   byte 4096   reader slots    256 bytes each                            written by the reader
 *   byte 266240 records
 *   the end     of a topic kept in a file: a line whose last word is the magic again
 *
 * A reader's slot: waiting (set by the reader, taken by the publisher), state, pid, mode, head,
 * counters, and from byte 64 on its bell.
 *
 * A record:
 *
 *   0        4        8                  16                    next multiple of 16
 *   | length | kind   | sequence (float) | payload ...         | unused |
 *
 * It starts at a multiple of 16, never straddles the end of the record area, and is at most a
 * quarter of it long. Where the rest is too short for the next one, a record of kind `padding` fills
 * it. `sequence` counts records from 0 on; padding has that of the record behind it.
 *
 * Positions are bytes since the topic was made, 64 bits of them: `tail` and `intent` are their low
 * halves, and `epoch` is intent / 2^30, rounded down, so that a reader that stood still for any time
 * knows how far it is behind. All up to `intent` may be overwritten at any moment: what a reader has
 * copied counts only if `intent` was no more than `capacity` beyond it afterwards.
 *
 * The record area has 16 slices. The anchor of a slice says where the first record starts that begins
 * at or behind the slice's boundary, and its sequence: where a reader that was lapped goes on.
 */

const lineBytes = 128;
const word = (byte: number, index = 0): number => byte / 4 + index;

/** Indices of 32-bit words. */
export const Field = {
  magic: 0,
  version: 1,
  capacity: 2,
  /** 1: it is kept in an ordinary file, which stays when its users have gone. */
  kept: 3,
  /** A {@link codecNumbers}. */
  codec: 4,
  nameLength: 5,
  /** Low half of the bytes published. */
  tail: word(256),
  /** A `RoleState` of the ring. */
  state: word(256, 1),
  pid: word(256, 2),
  /** Counts publishers: each takes the next number. */
  instance: word(256, 3),
  /** Low half of what may be overwritten. Stored after `epoch`. */
  intent: word(384),
  /** intent / 2^30. */
  epoch: word(384, 1),
  sleepers: word(512),
  joins: word(640),
  publisherWaiting: word(768),
  publisherBell: word(896),
  sleeping: word(1152),
  waitedFor: word(1280),
} as const;

/** Indices of 64-bit floats: counters, for people to read. */
export const Counter = {
  records: word(256, 4) / 2,
  /** How many sleeping readers it rang. */
  wakes: word(256, 6) / 2,
  /** How often a record had to wait for a reader. */
  fullCount: word(256, 8) / 2,
} as const;

/** Words within a reader's slot. */
export const Slot = {
  waiting: 0,
  state: 1,
  pid: 2,
  /** A {@link ReaderMode}. */
  mode: 3,
  /** Low half of its position; only of a reader that is waited for is it up to date. */
  head: 4,
  bell: 16,
} as const;

/** 64-bit floats within a reader's slot. */
export const SlotCounter = {
  /** As of the last time it had read everything, or was lapped. */
  position: 3,
  /** Records that it missed. */
  missed: 4,
  /** Copies that it threw away. */
  discarded: 5,
} as const;

export const ReaderMode = {
  skip: 0,
  wait: 1,
  /** The publisher waited for it too long. */
  dropped: 2,
} as const;

export const Kind = { data: 1, padding: 2 } as const;

export const codecNumbers = { bytes: 1, string: 2, structured: 3, custom: 4 } as const;

export const nameOffset = lineBytes;
export const maxNameBytes = 100;

export const maxReaders = 1024;
export const slotBytes = 256;
const slotsStart = 4096;
export const headerBytes = slotsStart + maxReaders * slotBytes;
export const trailerBytes = lineBytes;

/** First word of a reader's slot. */
export const slotWord = (slot: number): number => (slotsStart + slot * slotBytes) / 4;

export const slices = 16;
const anchorsStart = 1408 / 8;

/** The float of an anchor's position; its sequence is the next. @param at a slice's boundary, low half */
export function anchorIndex(at: number, sliceBytes: number): number {
  return anchorsStart + 2 * ((at / sliceBytes) & (slices - 1));
}

export const recordHeaderBytes = 16;
export const recordAlignment = 16;
export const epochBytes = 2 ** 30;

const minCapacity = 4096;
/** Any more, and the low half of `intent` could not say within one epoch who was lapped. */
const maxCapacity = 2 ** 29;

export const maxPayload = (capacity: number): number => capacity / 4 - recordHeaderBytes;

/** 'MMTP' as the bytes lie in memory. */
export const topicMagic = 0x5054_4d4d;

export function isTopicCapacity(value: number): boolean {
  const fits = typeof value === 'number' && value >= minCapacity && value <= maxCapacity;
  return fits && Number.isInteger(Math.log2(value));
}

export const aTopicCapacity: Rule = (operation, name, value) => {
  if (isTopicCapacity(value as number)) return;
  throw outOfRange(operation, name, `a power of two from ${minCapacity} to ${maxCapacity}`, value);
};

/** Whether it can be a record's header. @param rest bytes to the end of the record area */
export function isRecord(length: number, kind: number, rest: number): boolean {
  if (kind !== Kind.data && kind !== Kind.padding) return false;
  return length >= 0 && length < rest && ((length + recordHeaderBytes + 15) & -16) <= rest;
}
