import { ShmError } from '../errors.js';
import type { RegionSnapshot } from '../native/region-snapshot.js';
import { loadWord } from '../transport/ring/atomics.js';
import { readCapacity } from '../transport/ring/header.js';
import { ringHeaderBytes, Magic } from '../transport/ring/layout.js';
import { type Role, roleLocks } from '../transport/ring/memory.js';
import * as arenaLayout from '../transport/piscina/layout.js';
import { readShape } from '../transport/piscina/shape.js';
import { readStats, type RingStats } from '../transport/ring/stats.js';

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
export type RegionContent =
  | { readonly kind: 'ring' | 'channel' | 'connection'; readonly rings: readonly RingStats[] }
  | { readonly kind: 'arena'; readonly arena: ArenaSummary }
  | { readonly kind: 'memory' };

/**
 * Finds out by the magic what a region is, and reads its counters. Its writer may be in the middle
 * of something, or hostile: every value is checked before it is used.
 *
 * @throws {ShmError} `ERR_CORRUPT`, `ERR_VERSION`
 */
export function inspect(snapshot: RegionSnapshot): RegionContent {
  const magic = snapshot.words.length > 0 ? loadWord(snapshot.words, 0) : 0;
  if (magic === arenaLayout.Stamp.magic) return { kind: 'arena', arena: inspectArena(snapshot) };
  if (magic === Magic.ring || magic === Magic.stream) return inspectRings(snapshot, magic);
  // A region still being created looks the same.
  const got = magic === 0 ? 'zeros' : String(magic);
  const detail = `expected the magic of a ring or an arena, got ${got}`;
  throw new ShmError('ERR_CORRUPT', detail, operation, snapshot.path);
}

function inspectRings(snapshot: RegionSnapshot, magic: number): RegionContent {
  const { words, path: address } = snapshot;
  const fail = (detail: string) => new ShmError('ERR_CORRUPT', detail, operation, address);
  const capacity = readCapacity({ words, address }, magic, operation);
  const ringBytes = ringHeaderBytes + capacity;
  const count = words.byteLength / ringBytes;
  const isStream = magic === Magic.stream;
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
      isLocked: (role: Role) => snapshot.isLocked(locks[role]),
    };
    const stats = readStats(ring, readCapacity(ring, magic, operation));
    if (stats.capacity !== capacity || stats.used > capacity) {
      throw fail(`ring ${index + 1} has an impossible header`);
    }
    return stats;
  });
  if (isStream) return { kind: 'connection', rings };
  return { kind: count === 1 ? 'ring' : 'channel', rings };
}

function inspectArena(snapshot: RegionSnapshot): ArenaSummary {
  const { words, path } = snapshot;
  const { parts, partBytes, tickets, debug } = readShape(words, path);
  const { isSent, isTaken, lockOf, ticketBytes } = arenaLayout;
  let partsInUse = 0;
  let tasks = 0;
  for (let part = 0; part < parts; part++) {
    if (!snapshot.isLocked(lockOf(part))) continue;
    partsInUse++;
    const start = (arenaLayout.headerBytes + part * partBytes) / 4;
    for (let ticket = 0; ticket < tickets; ticket++) {
      const state = loadWord(words, start + (ticket * ticketBytes) / 4);
      if (isSent(state) || isTaken(state)) tasks++;
    }
  }
  return { parts, partBytes: partBytes - tickets * ticketBytes, partsInUse, tasks, debug };
}
