import { ShmError } from '../errors.js';
import type { RegionSnapshot } from '../native/region-snapshot.js';
import { loadWord } from '../transport/ring/atomics.js';
import { isKept, headerCapacity } from '../transport/ring/header.js';
import { ringHeaderBytes, ringTrailerBytes, Magic } from '../transport/ring/layout.js';
import { type Role, roleLocks } from '../transport/ring/memory.js';
import {
  arenaMagic,
  partitionLock,
  partitionStart,
  payloadBytes,
  readGeometry,
  slotBytes,
} from '../transport/piscina/arena-layout.js';
import { isUnderWay } from '../transport/piscina/task-slots.js';
import { readStats, type RingStats } from '../transport/ring/stats.js';
import { readConstants } from '../transport/topic/header.js';
import { topicMagic } from '../transport/topic/layout.js';
import { lockOffset } from '../transport/topic/memory.js';
import { readTopicStats, type TopicStats } from '../transport/topic/stats.js';

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
  | { readonly kind: 'topic'; readonly topic: TopicStats }
  | { readonly kind: 'memory' };

/**
 * Finds out by the magic what a region is, and reads its counters. Its writer may be in the middle
 * of something, or hostile: every value is checked before it is used.
 *
 * @throws {ShmError} `ERR_CORRUPT`, `ERR_VERSION`
 */
export function inspect(snapshot: RegionSnapshot): RegionContent {
  const magic = snapshot.words.length > 0 ? loadWord(snapshot.words, 0) : 0;
  if (magic === arenaMagic) return { kind: 'arena', arena: inspectArena(snapshot) };
  if (magic === topicMagic) return { kind: 'topic', topic: inspectTopic(snapshot) };
  if (magic === Magic.ring || magic === Magic.stream) return inspectRings(snapshot, magic);
  // A region still being created looks the same.
  const got = magic === 0 ? 'zeros' : String(magic);
  const detail = `expected the magic of a ring, a topic or an arena, got ${got}`;
  throw new ShmError('ERR_CORRUPT', detail, operation, snapshot.path);
}

function inspectRings(snapshot: RegionSnapshot, magic: number): RegionContent {
  const { words, path: address } = snapshot;
  const fail = (detail: string) => new ShmError('ERR_CORRUPT', detail, operation, address);
  const capacity = headerCapacity({ words, address }, magic, operation);
  const ringBytes = ringHeaderBytes + capacity;
  const count = (words.byteLength - (isKept({ words }) ? ringTrailerBytes : 0)) / ringBytes;
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
    const stats = readStats(ring, headerCapacity(ring, magic, operation));
    if (stats.capacity !== capacity || stats.used > capacity) {
      throw fail(`ring ${index + 1} has an impossible header`);
    }
    return stats;
  });
  if (isStream) return { kind: 'connection', rings };
  return { kind: count === 1 ? 'ring' : 'channel', rings };
}

function inspectTopic(snapshot: RegionSnapshot): TopicStats {
  const { words, path: address } = snapshot;
  const isLocked = (lock: number) => snapshot.isLocked(lockOffset(lock));
  return readTopicStats({ words, isLocked }, readConstants({ words, address }, operation));
}

function inspectArena(snapshot: RegionSnapshot): ArenaSummary {
  const { words, path } = snapshot;
  const geometry = readGeometry(words, path);
  const { partitions, slots, debug } = geometry;
  let partsInUse = 0;
  let tasks = 0;
  for (let number = 0; number < partitions; number++) {
    if (!snapshot.isLocked(partitionLock(number))) continue;
    partsInUse++;
    const start = partitionStart(number, geometry);
    for (let slot = 0; slot < slots; slot++) {
      if (isUnderWay(loadWord(words, (start + slot * slotBytes) / 4))) tasks++;
    }
  }
  return { parts: partitions, partBytes: payloadBytes(geometry), partsInUse, tasks, debug };
}
