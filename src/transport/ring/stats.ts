import { loadPosition, loadWord } from './atomics.js';
import { Counter, Field, ringHeaderBytes } from './layout.js';
import type { RingMemory, Role } from './memory.js';

const roleStates = ['never', 'attached', 'ended', 'poisoned'] as const;

/** One side of a ring, as {@link Ring.stats} finds it. */
export interface RoleStats {
  /**
   * `never`: nobody has held the role yet. `attached`: somebody took it, and has not given it up.
   * `ended`: given up in good order. `poisoned`: this side found the ring corrupt.
   * `unknown`: the ring says something else, and is corrupt.
   */
  state: (typeof roleStates)[number] | 'unknown';
  /** Of the process that last held the role; 0: none did. */
  pid: number;
  /** Somebody holds the role, by the kernel's word. */
  alive: boolean;
  /** How often this side had to wake the other. */
  wakes: number;
}

/** What is in a ring and who uses it; a snapshot, which does not change afterwards. */
export interface RingStats {
  /** Bytes of records it holds, their headers included. */
  capacity: number;
  /** Bytes written and not yet released, record headers included. */
  used: number;
  /** Bytes ever written, record headers included. */
  bytesWritten: number;
  /** Records ever written. */
  recordsWritten: number;
  /** Records ever read and released. */
  recordsRead: number;
  /** How often a write found the ring full. */
  fullCount: number;
  /** The writing side. */
  producer: RoleStats;
  /** The reading side. */
  consumer: RoleStats;
}

/** What is in a ring and which processes use it; also of one in use, whose numbers go on changing. */
export function readStats(
  memory: Pick<RingMemory, 'words' | 'isLocked'>,
  capacity: number,
): RingStats {
  const { words } = memory;
  const counters = new Float64Array(words.buffer, words.byteOffset, ringHeaderBytes / 8);
  // A peer can write anything there.
  const counter = (index: number) => (Number.isSafeInteger(counters[index]) ? counters[index]! : 0);
  const side = (role: Role, state: number, pid: number, wakes: number): RoleStats => ({
    state: roleStates[loadWord(words, state)] ?? 'unknown',
    pid: loadWord(words, pid),
    alive: memory.isLocked(role),
    wakes: counter(wakes),
  });
  const { head, tail } = readPositions(words);
  return {
    capacity,
    used: (tail - head) >>> 0,
    bytesWritten: counter(Counter.tailWraps) * 2 ** 32 + (tail >>> 0),
    recordsWritten: counter(Counter.recordsWritten),
    recordsRead: counter(Counter.recordsRead),
    fullCount: counter(Counter.fullCount),
    producer: side('producer', Field.producerState, Field.producerPid, Counter.producerWakes),
    consumer: side('consumer', Field.consumerState, Field.consumerPid, Counter.consumerWakes),
  };
}

/** Tries to find the head where it was before; a consumer does not release as fast for long. */
const mostTries = 1000;

/**
 * Head and tail as they were at one moment: the head is looked at before and after the tail.
 * Otherwise a producer that goes on meanwhile would make more seem used than there is room for.
 */
function readPositions(words: Int32Array): { head: number; tail: number } {
  let head = loadPosition(words, Field.head);
  for (let tries = mostTries; ; tries--) {
    const tail = loadPosition(words, Field.tail);
    const after = loadPosition(words, Field.head);
    if (after === head) return { head, tail };
    // Never negative: what has been released has been published.
    if (tries === 0) return { head: after, tail: Math.max(0, (tail - after) | 0) + after };
    head = after;
  }
}
