import { loadPosition, loadWord } from '../ring/atomics.js';
import {
  anchorIndex,
  Counter,
  epochBytes,
  Field,
  isRecord,
  Kind,
  recordHeaderBytes,
  slices,
} from './layout.js';
import { floatView, recordViews, type TopicMemory } from './memory.js';

/**
 * `intent` in full. Its epoch is stored before it: where the two do not fit together, the publisher
 * stands, or died, between them, and `intent` is still in the epoch before.
 */
export function loadIntent(words: Int32Array): number {
  for (;;) {
    const epoch = loadWord(words, Field.epoch);
    const low = loadPosition(words, Field.intent);
    if (loadWord(words, Field.epoch) !== epoch) continue;
    const isBefore = ((low >>> 30) ^ epoch) & 3;
    return (epoch - (isBefore ? 1 : 0)) * epochBytes + (low & (epochBytes - 1));
  }
}

/** `tail` in full: it is at most `intent`, and by less than 2^32. */
export function loadTail(words: Int32Array): number {
  for (;;) {
    const tail = loadPosition(words, Field.tail);
    const intent = loadIntent(words);
    if (loadPosition(words, Field.tail) === tail) return intent - (((intent | 0) - tail) >>> 0);
  }
}

export interface Place {
  readonly position: number;
  /** Of the record that starts there. */
  readonly sequence: number;
}

const sizeOf = (length: number): number => (length + recordHeaderBytes + 15) & -16;

/**
 * Finds the sequence at a position by walking to it from the last anchor before. That of a boundary
 * at the tail itself belongs to a record that is not published, and may be half written.
 *
 * @param from nothing behind it is overwritten
 * @param tail as it was before this is called
 * @returns undefined: no record starts there, or what lies before it is damaged
 */
export function walkTo(
  memory: TopicMemory,
  capacity: number,
  position: number,
  from: number,
  tail: number,
): Place | undefined {
  if (position === 0) return { position: 0, sequence: 0 };
  const floats = floatView(memory);
  const sliceBytes = capacity / slices;
  const last = Math.floor((position === tail ? position - 1 : position) / sliceBytes) * sliceBytes;
  // A record of a quarter of the capacity reaches over four boundaries.
  const first = Math.max(0, Math.ceil(from / sliceBytes) * sliceBytes);
  for (let at = last; at >= first; at -= sliceBytes) {
    const anchor = anchorIndex(at % (sliceBytes * slices), sliceBytes);
    const start = { position: floats[anchor]!, sequence: floats[anchor + 1]! };
    if (!(start.position >= at && start.position <= position)) continue;
    return walk(memory, capacity, start, position);
  }
  return undefined;
}

function walk(memory: TopicMemory, capacity: number, start: Place, end: number) {
  const { recordWords, sequences } = recordViews(memory, capacity);
  let { position, sequence } = start;
  while (position < end) {
    const index = position % capacity;
    const length = recordWords[index / 4]!;
    const kind = recordWords[index / 4 + 1]!;
    if (!isRecord(length, kind, capacity - index) || sequences[index / 8 + 1] !== sequence) {
      return undefined;
    }
    position += sizeOf(length);
    if (kind === Kind.data) sequence++;
  }
  return position === end ? { position, sequence } : undefined;
}

/**
 * Where a publisher goes on. What a power failure has damaged before the tail costs the count of the
 * records, not the topic.
 */
export function findEnd(memory: TopicMemory, capacity: number): Place & { intent: number } {
  const intent = loadIntent(memory.words);
  const position = loadTail(memory.words);
  const place = walkTo(memory, capacity, position, intent - capacity, position);
  const counted = floatView(memory)[Counter.records]!;
  const sequence = place?.sequence ?? (Number.isSafeInteger(counted) ? counted : 0);
  return { position, sequence, intent };
}
