import type { Doorbell } from '../../native/doorbell.js';
import { loadWord, storeWord } from '../ring/atomics.js';
import { RoleState, Waiting } from '../ring/layout.js';
import type { Sleeper } from '../ring/loop-waiter.js';
import { writeBell } from '../ring/peer-bell.js';
import { Field } from './layout.js';
import { publisherLock, type TopicMemory } from './memory.js';
import { TopicEnd } from './topic-end.js';

/** The role of a topic's publisher, which one thread has at a time; and how it sleeps for room. */
export class PublisherRole extends TopicEnd implements Sleeper {
  #closed = false;
  /** The bounded look while it waits for room. */
  look: () => void = () => {};

  /** @throws {ShmError} `ERR_ROLE_TAKEN` where the topic has a live publisher */
  constructor(memory: TopicMemory, spin: number) {
    super(memory, spin);
    if (memory.tryLock(publisherLock)) return;
    const pid = loadWord(this.words, Field.pid);
    const detail = `the topic has a publisher, process ${pid}; it may have one at a time`;
    throw this.error('ERR_ROLE_TAKEN', 'create', detail);
  }

  /** After this, readers see that there is a publisher. */
  attach(): void {
    storeWord(this.words, Field.publisherWaiting, Waiting.none);
    storeWord(this.words, Field.pid, process.pid);
    storeWord(this.words, Field.instance, loadWord(this.words, Field.instance) + 1);
    storeWord(this.words, Field.state, RoleState.attached);
    this.checkMemory('create');
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @param wake tells the readers, between the state and the lock */
  close(wake: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    storeWord(this.words, Field.publisherWaiting, Waiting.none);
    storeWord(this.words, Field.state, RoleState.ended);
    wake();
    this.memory.unlock(publisherLock);
  }

  announce(bell: Doorbell, token: number): void {
    const error = writeBell(this.memory, Field.publisherBell, bell, token);
    if (error) throw this.error('ENAMETOOLONG', 'ready', error);
  }

  park(): void {
    storeWord(this.words, Field.publisherWaiting, Waiting.parked);
  }

  unpark(): void {
    storeWord(this.words, Field.publisherWaiting, Waiting.none);
  }

  checkPeer(): void {
    this.checkMemory('ready');
    this.look();
  }
}
