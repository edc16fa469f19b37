/*
 * The arena's file, offsets in bytes:
 *
 *   0                      header, one page, written once by the process that makes the file
 *   4096                   partition 0: its task slots, then its payloads and results
 *   4096 + 1 × partition   partition 1
 *   …
 *
 * The header is 32-bit words: magic (stored last), version, then those of ArenaGeometry in order,
 * the size of a partition in pages; and the mark, a number that nobody can guess: task-messages.ts.
 *
 * A partition belongs to one PayloadArena object, which holds the byte lock at `partitionLock`, and
 * alone allocates there. A task slot is 32 bytes, of which the first word is used: see task-slots.ts.
 * ADR-0030 says why.
 */
import { randomInt } from 'node:crypto';
import { outOfRange, ShmError } from '../../errors.js';
import { maxLength } from '../../native/limits.js';
import { loadWord, storeWord } from '../ring/atomics.js';
import { firstLock } from '../ring/memory.js';

export const arenaMagic = 0x4d545041;
const arenaVersion = 2;
export const arenaHeaderBytes = 4096;
const pageBytes = 4096;
export const slotBytes = 32;

/** More processes than anybody runs. */
export const maxPartitions = 1024;
/** The allocator counts units of 64 bytes in 31 bits. */
const maxPayloadBytes = 2 ** 36;

export const partitionLock = (number: number) => firstLock + number;

/** Bytes that a view of `length` bytes takes up in the room for a result: any view is aligned there. */
export const pieceBytes = (length: number) => Math.ceil(length / 16) * 16;

export interface ArenaGeometry {
  readonly partitions: number;
  /** Task slots included. */
  readonly partitionBytes: number;
  /** In each partition. */
  readonly slots: number;
  readonly debug: boolean;
}

export const arenaBytes = ({ partitions, partitionBytes }: ArenaGeometry) =>
  arenaHeaderBytes + partitions * partitionBytes;

/** Where a partition begins in the file. */
export const partitionStart = (number: number, { partitionBytes }: ArenaGeometry) =>
  arenaHeaderBytes + number * partitionBytes;

/** Bytes for payloads and results in a partition. */
export const payloadBytes = ({ partitionBytes, slots }: ArenaGeometry) =>
  partitionBytes - slots * slotBytes;

/**
 * That of an arena with `bytes` for payloads, all partitions together.
 *
 * @throws {ShmError} `ERR_OUT_OF_RANGE` where this Node cannot view an arena of that length
 */
export function geometryFor(bytes: number, partitions: number, debug: boolean): ArenaGeometry {
  const payloads = Math.ceil(bytes / partitions / pageBytes) * pageBytes;
  // A multiple of 128, which fills a page.
  const slots = Math.min(512, Math.ceil(payloads / 2 ** 18)) * (pageBytes / slotBytes);
  const geometry = { partitions, partitionBytes: payloads + slots * slotBytes, slots, debug };
  const over = Math.max(0, arenaBytes(geometry) - maxLength);
  if (over === 0 && payloads <= maxPayloadBytes) return geometry;
  const most = Math.min(bytes - over, partitions * maxPayloadBytes);
  throw outOfRange('arena.create', 'bytes', `at most ${most}`, bytes);
}

/** @param words those of a new arena's file */
export function writeGeometry(words: Int32Array, geometry: ArenaGeometry): void {
  const { partitions, partitionBytes, slots, debug } = geometry;
  const header = [arenaVersion, partitions, partitionBytes / pageBytes, slots, Number(debug)];
  header.push(randomInt(2 ** 31));
  header.forEach((value, index) => storeWord(words, index + 1, value));
  // Last: a process that sees the magic sees the rest.
  storeWord(words, 0, arenaMagic);
}

/** Not a whole number, as a user's numbers mostly are. */
/** The words of a file, whatever its length. */
export const wordsOf = (buffer: ArrayBufferLike) =>
  new Int32Array(buffer, 0, Math.floor(buffer.byteLength / 4));

export const markOf = (words: Int32Array) => loadWord(words, 6) + 0.5;

/**
 * @param words those of the whole file
 * @throws {ShmError} `ERR_CORRUPT`, `ERR_VERSION`
 */
export function readGeometry(words: Int32Array, path: string): ArenaGeometry {
  const fail = (code: string, what: string, got: unknown) =>
    new ShmError(code, `expected ${what}, got ${String(got)}`, 'arena.open', path);
  const bytes = words.byteLength;
  if (bytes < arenaHeaderBytes) throw fail('ERR_CORRUPT', `${arenaHeaderBytes} bytes`, bytes);
  const [magic, version, partitions, pages, slots, debug] = [0, 1, 2, 3, 4, 5].map(index =>
    loadWord(words, index),
  ) as [number, number, number, number, number, number];
  if (magic !== arenaMagic) throw fail('ERR_CORRUPT', 'the magic of an arena', magic);
  if (version !== arenaVersion)
    throw fail('ERR_VERSION', `layout version ${arenaVersion}`, version);
  const geometry = { partitions, partitionBytes: pages * pageBytes, slots, debug: debug !== 0 };
  const isSound = partitions >= 1 && partitions <= maxPartitions && slots >= 1;
  if (isSound && payloadBytes(geometry) > 0 && arenaBytes(geometry) === bytes) return geometry;
  const got = `${partitions} of ${geometry.partitionBytes} with ${slots} task slots`;
  throw fail('ERR_CORRUPT', `partitions that fill ${bytes} bytes`, got);
}
