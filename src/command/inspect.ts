import { ShmError } from '../errors.js';
import type { Observer } from '../native/observer.js';
import { loadWord } from '../transport/atomics.js';
import { Field, headerBytes, isCapacity, minCapacity, Stamp } from '../transport/layout.js';
import { type Role, roleLocks } from '../transport/memory.js';
import * as arenaLayout from '../transport/piscina/layout.js';
import { readShape } from '../transport/piscina/shape.js';
import { readStats, type RingStats } from '../transport/stats.js';

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
  throw new ShmError('ERR_CORRUPT', detail, 'region.inspect', observer.path);
}

function inspectRings(observer: Observer, mark: number): Content {
  const { words, path } = observer;
  const fail = (code: string, detail: string) => new ShmError(code, detail, 'region.inspect', path);
  const bytes = words.byteLength;
  if (bytes < headerBytes + minCapacity) {
    throw fail('ERR_CORRUPT', `expected at least ${headerBytes + minCapacity} bytes, got ${bytes}`);
  }
  const version = loadWord(words, Field.version);
  if (version !== Stamp.version) {
    throw fail('ERR_VERSION', `expected layout version ${Stamp.version}, got ${version}`);
  }
  const capacity = loadWord(words, Field.capacity);
  const ringBytes = headerBytes + capacity;
  const count = bytes / ringBytes;
  const isStream = mark === Stamp.stream;
  if (!isCapacity(capacity) || (count !== 2 && (isStream || count !== 1))) {
    const detail = `expected rings that fill ${bytes} bytes, got a capacity of ${capacity}`;
    throw fail('ERR_CORRUPT', detail);
  }
  const rings = Array.from({ length: count }, (_, index) => {
    const offset = index * ringBytes;
    const locks = roleLocks(offset);
    const ring = {
      words: words.subarray(offset / 4, (offset + ringBytes) / 4),
      isLocked: (role: Role) => observer.isLocked(locks[role]),
    };
    const stats = readStats(ring, capacity);
    if (loadWord(ring.words, Field.magic) !== mark || stats.used > capacity) {
      throw fail('ERR_CORRUPT', `ring ${index + 1} has an impossible header`);
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
