import { ShmError } from '../errors.js';
import type { Observer } from '../native/observer.js';
import { loadWord } from '../transport/atomics.js';
import { readCapacity } from '../transport/header.js';
import { headerBytes, Stamp } from '../transport/layout.js';
import { type Role, roleLocks } from '../transport/memory.js';
import * as arenaLayout from '../transport/piscina/layout.js';
import { readShape } from '../transport/piscina/shape.js';
import { readStats, type RingStats } from '../transport/stats.js';

const operation = 'region.inspect';

export interface ArenaSummary {
  /** Bytes for payloads in each part. */
  readonly partBytes: number;
  readonly parts: number;
  /** Parts that a process has. */
  readonly partsInUse: number;
  /** Tasks under way, in all parts. */
  readonly tasks: number;
  readonly debug: boolean;
}

/** What a region holds. A channel has a ring for each direction, and so has a connection. */
export type Content =
  | { readonly kind: 'ring' | 'channel' | 'connection'; readonly rings: readonly RingStats[] }
  | { readonly kind: 'arena'; readonly arena: ArenaSummary }
  | { readonly kind: 'memory' };

/**
 * Tells by the marks in it what a region is, and reads its counters. Whoever wrote it may be in
 * the midst of it, or mean harm: nothing is believed before it is checked.
 *
 * @throws {ShmError} `ERR_CORRUPT`, `ERR_VERSION`
 */
export function inspect(observer: Observer): Content {
  const mark = observer.words.length > 0 ? loadWord(observer.words, 0) : 0;
  if (mark === arenaLayout.Stamp.magic) return { kind: 'arena', arena: inspectArena(observer) };
  if (mark === Stamp.ring || mark === Stamp.stream) return inspectRings(observer, mark);
  // Such is one that is just being made, too.
  const got = mark === 0 ? 'zeros' : String(mark);
  const detail = `expected the mark of a ring or an arena, got ${got}`;
  throw new ShmError('ERR_CORRUPT', detail, operation, observer.path);
}

function inspectRings(observer: Observer, mark: number): Content {
  const { words, path: address } = observer;
  const fail = (detail: string) => new ShmError('ERR_CORRUPT', detail, operation, address);
  const capacity = readCapacity({ words, address }, mark, operation);
  const ringBytes = headerBytes + capacity;
  const count = words.byteLength / ringBytes;
  const isStream = mark === Stamp.stream;
  if (count !== 2 && (isStream || count !== 1)) {
    const detail = `expected rings that fill ${words.byteLength} bytes, got a capacity of ${capacity}`;
    throw fail(detail);
  }
  const rings = Array.from({ length: count }, (_, index) => {
    const offset = index * ringBytes;
    const locks = roleLocks(offset);
    const ring = {
      words: words.subarray(offset / 4, (offset + ringBytes) / 4),
      address,
      isLocked: (role: Role) => observer.isLocked(locks[role]),
    };
    const stats = readStats(ring, readCapacity(ring, mark, operation));
    if (stats.capacity !== capacity || stats.used > capacity) {
      throw fail(`ring ${index + 1} has an impossible header`);
    }
    return stats;
  });
  if (isStream) return { kind: 'connection', rings };
  return { kind: count === 1 ? 'ring' : 'channel', rings };
}

function inspectArena(observer: Observer): ArenaSummary {
  const { words, path } = observer;
  const { parts, partBytes, tickets, debug } = readShape(words, path);
  const { isSent, isTaken, lockOf, ticketBytes } = arenaLayout;
  let partsInUse = 0;
  let tasks = 0;
  for (let part = 0; part < parts; part++) {
    if (!observer.isLocked(lockOf(part))) continue;
    partsInUse++;
    const start = (arenaLayout.headerBytes + part * partBytes) / 4;
    for (let ticket = 0; ticket < tickets; ticket++) {
      const state = loadWord(words, start + (ticket * ticketBytes) / 4);
      if (isSent(state) || isTaken(state)) tasks++;
    }
  }
  return { parts, partBytes: partBytes - tickets * ticketBytes, partsInUse, tasks, debug };
}
