import { loadPosition, loadWord } from './atomics.js';
import { Counter, Field, ringHeaderBytes } from './layout.js';
import type { RingMemory, Role } from './memory.js';

const roleStates = ['never', 'attached', 'ended', 'poisoned'] as const;

export interface RoleStats {
  state: (typeof roleStates)[number] | 'unknown';
  /** Of the process that last held the role; 0: none did. */
  pid: number;
  /** Somebody holds the role, by the kernel's word. */
  alive: boolean;
  /** How often this side had to wake the other. */
  wakes: number;
}

export interface RingStats {
  capacity: number;
  /** Bytes written and not yet released, record headers included. */
  used: number;
  /** Bytes ever written, record headers included. */
  bytesWritten: number;
  recordsWritten: number;
  recordsRead: number;
  /** How often a write found the ring full. */
  fullCount: number;
  producer: RoleStats;
  consumer: RoleStats;
}

/** What is in a ring and who uses it, also of one in use, whose numbers go on meanwhile. */
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
  // The head first: it never passes the tail, so what is used never comes out negative.
  const head = loadPosition(words, Field.head);
  const tail = loadPosition(words, Field.tail);
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
