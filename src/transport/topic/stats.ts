import { loadWord } from '../ring/atomics.js';
import { RoleState, Waiting } from '../ring/layout.js';
import type { TopicConstants } from './header.js';
import {
  Counter,
  Field,
  headerBytes,
  maxReaders,
  ReaderMode,
  Slot,
  SlotCounter,
  slotWord,
} from './layout.js';
import { publisherLock, readerLock, type TopicMemory } from './memory.js';
import { loadTail } from './positions.js';

/** One reader of a topic. */
export interface TopicReaderStats {
  /** Of its process. */
  pid: number;
  /** `dropped`: the publisher has waited for it too long, and does so no longer. */
  whenBehind: 'skip' | 'wait' | 'dropped';
  /** Bytes published and not read yet, as of the last time it looked for more. */
  behind: number;
  /** Records that it missed. */
  missed: number;
  /** Copies that it threw away, since they were overwritten meanwhile. */
  discarded: number;
  /** Whether it waits for its bell. */
  sleeping: boolean;
}

/** A topic at one moment. */
export interface TopicStats {
  /** Empty where it has none. */
  name: string;
  /** Bytes of records it holds. */
  capacity: number;
  /** Bytes ever published, record headers included. */
  position: number;
  /** Records ever published. */
  records: number;
  /** How often a publish had to wait for a reader. */
  fullCount: number;
  /** How many sleeping readers were rung. */
  wakes: number;
  /** The one that is there, or was the last. */
  publisher: {
    /** Of its process. */
    pid: number;
    /** `died`: killed, or its process has ended. */
    state: 'never' | 'live' | 'closed' | 'died';
  };
  /** Those that are subscribed. */
  readers: TopicReaderStats[];
}

/** What is in a topic and who uses it; also of one in use, whose numbers go on changing. */
export function readTopicStats(
  { words, isLocked }: Pick<TopicMemory, 'words'> & { isLocked: (lock: number) => boolean },
  { name, capacity }: TopicConstants,
): TopicStats {
  const floats = new Float64Array(words.buffer, words.byteOffset, headerBytes / 8);
  // Any process that has the topic open can write there.
  const counter = (index: number) => (Number.isSafeInteger(floats[index]) ? floats[index]! : 0);
  const position = loadTail(words);
  const readers: TopicReaderStats[] = [];
  for (let slot = 0; slot < maxReaders; slot++) {
    const at = slotWord(slot);
    if (loadWord(words, at + Slot.state) !== RoleState.attached) continue;
    if (!isLocked(readerLock(slot))) continue; // killed: the next to come takes its place
    const mode = loadWord(words, at + Slot.mode);
    readers.push({
      pid: loadWord(words, at + Slot.pid),
      whenBehind:
        mode === ReaderMode.wait ? 'wait' : mode === ReaderMode.dropped ? 'dropped' : 'skip',
      behind: Math.max(0, position - counter(at / 2 + SlotCounter.position)),
      missed: counter(at / 2 + SlotCounter.missed),
      discarded: counter(at / 2 + SlotCounter.discarded),
      sleeping: loadWord(words, at + Slot.waiting) !== Waiting.none,
    });
  }
  const state = loadWord(words, Field.state);
  const isAttached = state === RoleState.attached;
  const live = isAttached && isLocked(publisherLock);
  return {
    name,
    capacity,
    position,
    records: counter(Counter.records),
    fullCount: counter(Counter.fullCount),
    wakes: counter(Counter.wakes),
    publisher: {
      pid: loadWord(words, Field.pid),
      state: live ? 'live' : isAttached ? 'died' : state === RoleState.ended ? 'closed' : 'never',
    },
    readers,
  };
}
