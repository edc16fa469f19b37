import { now } from '../../timers.js';
import { clearBits, loadPosition, loadWord, replaceWord } from '../ring/atomics.js';
import { Field, maxReaders, ReaderMode, Slot, slotWord } from './layout.js';
import { readerLock, type TopicMemory } from './memory.js';

/** How often, in milliseconds, it is looked whether a reader that holds the publisher back lives. */
const lookInterval = 50;

/** The readers that the publisher waits for (`whenBehind: 'wait'`), seen from the publisher. */
export class AwaitedReaders {
  readonly #memory: TopicMemory;
  readonly #capacity: number;
  /** Milliseconds without a step after which a reader is no longer waited for. */
  readonly #patience: number;
  /** {@link Field.joins} at the last scan. */
  #joins = -1;
  #none = true;
  /** Low half of the position up to which may be written, as of the last scan. */
  #limit = 0;
  /** Where readers stood that held the publisher back, and since when. */
  readonly #holding = new Map<number, { head: number; since: number }>();
  #looked = 0;

  constructor(memory: TopicMemory, capacity: number, patience: number) {
    this.#memory = memory;
    this.#capacity = capacity;
    this.#patience = patience;
  }

  /** Whether everything before `end` may be overwritten or written. One load where nothing changed. */
  allows(end: number, claimed: number): boolean {
    const isSame = loadWord(this.#memory.words, Field.joins) === this.#joins;
    if (isSame && (this.#none || ((end - this.#limit) | 0) <= 0)) return true;
    this.#scan(claimed);
    return this.#none || ((end - this.#limit) | 0) <= 0;
  }

  /** The reader that is furthest behind sets the limit. One that was lapped cannot be protected. */
  #scan(claimed: number): void {
    const { words } = this.#memory;
    this.#joins = loadWord(words, Field.joins);
    let most = -1;
    for (const slot of this.#slots()) {
      const behind = (claimed - loadPosition(words, slotWord(slot) + Slot.head)) | 0;
      if (behind > most && behind <= this.#capacity) most = behind;
    }
    this.#none = most < 0;
    if (most >= 0) this.#limit = (claimed - most + this.#capacity) | 0;
    if (this.#none) this.#holding.clear();
  }

  *#slots(): Generator<number> {
    const { words } = this.#memory;
    for (let group = 0; group < maxReaders / 32; group++) {
      let bits = loadWord(words, Field.waitedFor + group);
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits);
        bits &= ~(1 << bit);
        yield 32 * group + bit;
      }
    }
  }

  /**
   * Gives up readers that died, by the kernel's word, and those that have not moved for too long.
   * To be called while the publisher is held back; looks only now and then.
   *
   * @param end what is to be written up to
   */
  giveUpOn(end: number): void {
    const time = now();
    if (time - this.#looked < lookInterval) return;
    this.#looked = time;
    const { words } = this.#memory;
    for (const slot of this.#slots()) {
      const at = slotWord(slot);
      const head = loadPosition(words, at + Slot.head);
      const isHolding = ((end - head) | 0) > this.#capacity;
      const before = this.#holding.get(slot);
      if (!isHolding) {
        this.#holding.delete(slot);
      } else if (before?.head !== head) {
        this.#holding.set(slot, { head, since: time });
      } else if (time - before.since >= this.#patience) {
        this.#holding.delete(slot);
        replaceWord(words, at + Slot.mode, ReaderMode.wait, ReaderMode.dropped);
        this.#forget(slot);
        continue;
      }
      if (isHolding && this.#isDead(slot)) this.#forget(slot);
    }
  }

  /** Under the slot's lock, so that no successor of that reader has it by then. */
  #isDead(slot: number): boolean {
    try {
      if (!this.#memory.tryLock(readerLock(slot))) return false;
    } catch {
      return false; // the kernel does not say: it is asked again
    }
    this.#forget(slot);
    this.#memory.unlock(readerLock(slot));
    return true;
  }

  #forget(slot: number): void {
    clearBits(this.#memory.words, Field.waitedFor + (slot >> 5), 1 << (slot & 31));
  }
}
