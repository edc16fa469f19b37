import type { Doorbell } from '../../native/doorbell.js';
import {
  clearBits,
  countUp,
  loadWord,
  setBits,
  storePosition,
  storeWord,
  takeWord,
} from '../ring/atomics.js';
import { RoleState, Waiting } from '../ring/layout.js';
import type { BlockingSleeper } from '../ring/blocking-wait.js';
import type { Sleeper } from '../ring/loop-waiter.js';
import { PeerBell, writeBell } from '../ring/peer-bell.js';
import { Field, maxReaders, ReaderMode, Slot, SlotCounter, slotWord } from './layout.js';
import { floatView, publisherLock, readerLock, type TopicMemory } from './memory.js';
import { TopicEnd } from './topic-end.js';

/**
 * A reader's place in the topic: its number, its lock, and how it sleeps. The kernel drops the lock
 * however the reader ends, and then the slot is free.
 */
export class ReaderSlot extends TopicEnd implements Sleeper, BlockingSleeper {
  readonly #floats: Float64Array;
  readonly #number: number;
  readonly #at: number;
  readonly #waits: boolean;
  #closed = false;
  #bell: PeerBell | undefined;

  /** @throws {ShmError} `ERR_TOO_MANY_READERS` */
  constructor(memory: TopicMemory, spin: number, waits: boolean) {
    super(memory, spin);
    this.#waits = waits;
    this.#floats = floatView(memory);
    this.#number = this.#take();
    this.#at = slotWord(this.#number);
    const at = this.#at;
    storeWord(this.words, at + Slot.waiting, Waiting.none);
    storeWord(this.words, at + Slot.pid, process.pid);
    storeWord(this.words, at + Slot.mode, ReaderMode.skip);
    clearBits(this.words, Field.waitedFor + (this.#number >> 5), 1 << (this.#number & 31));
    for (const counter of Object.values(SlotCounter)) this.#floats[at / 2 + counter] = 0;
    storeWord(this.words, at + Slot.state, RoleState.attached);
  }

  /** One that nobody has; then one whose reader was killed. */
  #take(): number {
    const isFree = (slot: number) =>
      loadWord(this.words, slotWord(slot) + Slot.state) !== RoleState.attached;
    for (const wantsFree of [true, false]) {
      for (let slot = 0; slot < maxReaders; slot++) {
        if (isFree(slot) === wantsFree && this.memory.tryLock(readerLock(slot))) return slot;
      }
    }
    const detail = `a topic has at most ${maxReaders} readers, and all of them live`;
    throw this.error('ERR_TOO_MANY_READERS', 'subscribe', detail);
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    storeWord(this.words, this.#at + Slot.waiting, Waiting.none);
    clearBits(this.words, Field.waitedFor + (this.#number >> 5), 1 << (this.#number & 31));
    storeWord(this.words, this.#at + Slot.state, RoleState.ended);
    this.#wakePublisher();
    this.#bell?.close();
    this.memory.unlock(readerLock(this.#number));
  }

  /**
   * Has the publisher wait for this reader from a position on, where that was asked for. It sees so
   * when it claims more the next time: a claim that had begun may come yet, see {@link TopicReader}.
   */
  hold(position: number): void {
    if (!this.#waits || this.#closed) return;
    storePosition(this.words, this.#at + Slot.head, position | 0);
    storeWord(this.words, this.#at + Slot.mode, ReaderMode.wait);
    setBits(this.words, Field.waitedFor + (this.#number >> 5), 1 << (this.#number & 31));
    countUp(this.words, Field.joins);
    this.#wakePublisher(); // which may wait for where this reader was held before
  }

  /** SYNC release, where the publisher waits for this reader: it may overwrite what is before. */
  release(position: number): void {
    if (!this.#waits || this.#closed) return;
    storePosition(this.words, this.#at + Slot.head, position | 0);
    if (loadWord(this.words, this.#at + Slot.mode) === ReaderMode.dropped) this.hold(position);
    this.#wakePublisher();
  }

  /** Whether {@link release} has to be called now and then. */
  get waits(): boolean {
    return this.#waits;
  }

  #wakePublisher(): void {
    if (loadWord(this.words, Field.publisherWaiting) === Waiting.none) return;
    if (takeWord(this.words, Field.publisherWaiting) === Waiting.none) return;
    this.#bell ??= new PeerBell(this.words, this.memory.plain, Field.publisherBell);
    this.#bell.ring();
  }

  /** For people to read. */
  note(position: number, missed: number, discarded: number): void {
    if (this.#closed) return; // and another reader may have the place
    const at = this.#at / 2;
    this.#floats[at + SlotCounter.position] = position;
    this.#floats[at + SlotCounter.missed] = missed;
    this.#floats[at + SlotCounter.discarded] = discarded;
  }

  announce(bell: Doorbell, token: number): void {
    const error = writeBell(this.memory, this.#at + Slot.bell, bell, token);
    if (error) throw this.error('ENAMETOOLONG', 'subscribe', error);
  }

  /** SYNC park, the sleeper's side: the flag, then the bit, then the word that the publisher loads. */
  park(): void {
    this.#sleepAs(Waiting.parked);
  }

  #sleepAs(waiting: number): void {
    storeWord(this.words, this.#at + Slot.waiting, waiting);
    setBits(this.words, Field.sleeping + (this.#number >> 5), 1 << (this.#number & 31));
    storeWord(this.words, Field.sleepers, 1);
  }

  /** The bit stays: the publisher finds then that nobody sleeps there. */
  unpark(): void {
    storeWord(this.words, this.#at + Slot.waiting, Waiting.none);
  }

  sleepSync(ready: () => boolean, milliseconds: number): void {
    this.#sleepAs(Waiting.blocked);
    try {
      if (!ready()) this.memory.wait(this.#at + Slot.waiting, Waiting.blocked, milliseconds);
    } finally {
      this.unpark();
    }
  }

  /** `closed`: there is none yet, or it left in good order; `died`: it was killed. */
  publisherState(): 'live' | 'closed' | 'died' {
    if (loadWord(this.words, Field.state) !== RoleState.attached) return 'closed';
    try {
      if (this.memory.isLocked(publisherLock)) return 'live';
    } catch {
      return 'live'; // the kernel does not say (`ENOLCK`): it is asked again
    }
    // It may have left between the two looks; the state is stored before the lock goes.
    return loadWord(this.words, Field.state) === RoleState.attached ? 'died' : 'closed';
  }

  /** The publisher has left in good order; one load. */
  publisherLeft(): boolean {
    return loadWord(this.words, Field.state) !== RoleState.attached;
  }

  /** Which publisher it is, or was. */
  get instance(): number {
    return loadWord(this.words, Field.instance);
  }

  checkPeer(operation: string): void {
    this.checkMemory(operation);
    if (this.publisherState() !== 'died') return;
    const detail = `the publisher (process ${loadWord(this.words, Field.pid)}) died`;
    throw this.error('ERR_PEER_DIED', operation, detail);
  }
}
