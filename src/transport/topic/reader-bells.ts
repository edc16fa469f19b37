import { loadWord, takeWord } from '../ring/atomics.js';
import { Waiting } from '../ring/layout.js';
import { PeerBell } from '../ring/peer-bell.js';
import { Field, maxReaders, Slot, slotWord } from './layout.js';
import type { TopicMemory } from './memory.js';

/** Wakes the readers that sleep, each once per sleep. */
export class ReaderBells {
  readonly #memory: TopicMemory;
  readonly #bells = new Map<number, PeerBell>();

  constructor(memory: TopicMemory) {
    this.#memory = memory;
  }

  /**
   * SYNC park, the waker's side, where the word `sleepers` says that somebody sleeps. It is taken
   * first: a reader that falls asleep meanwhile sets its bit, and then the word again.
   *
   * @returns how many were woken
   */
  wake(): number {
    const { words } = this.#memory;
    takeWord(words, Field.sleepers);
    let woken = 0;
    for (let group = 0; group < maxReaders / 32; group++) {
      if (loadWord(words, Field.sleeping + group) === 0) continue;
      let bits = takeWord(words, Field.sleeping + group);
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits);
        bits &= ~(1 << bit);
        if (this.#wakeOne(32 * group + bit)) woken++;
      }
    }
    return woken;
  }

  #wakeOne(slot: number): boolean {
    const { words, plain } = this.#memory;
    const at = slotWord(slot);
    const waiting = takeWord(words, at + Slot.waiting);
    if (waiting === Waiting.none) return false; // it woke by itself
    if (waiting === Waiting.blocked) {
      this.#memory.wake(at + Slot.waiting);
      return true;
    }
    let bell = this.#bells.get(slot);
    if (!bell) this.#bells.set(slot, (bell = new PeerBell(words, plain, at + Slot.bell)));
    bell.ring();
    return true;
  }

  close(): void {
    for (const bell of this.#bells.values()) bell.close();
    this.#bells.clear();
  }
}
