import { ShmError } from '../../errors.js';
import type { Doorbell } from '../../native/doorbell.js';
import { loadWord, storeWord } from '../ring/atomics.js';
import { RoleState, Waiting } from '../ring/layout.js';
import type { Sleeper } from '../ring/loop-waiter.js';
import { writeBell } from '../ring/peer-bell.js';
import { Field } from './layout.js';
import { publisherLock, type TopicMemory } from './memory.js';

/** The role of a topic's publisher, which one thread has at a time; and how it sleeps for room. */
export class PublisherRole implements Sleeper {
  readonly spin: number;
  readonly memory: TopicMemory;
  readonly #words: Int32Array;
  #closed = false;
  #seen = -1;
  /** The bounded look while it waits for room. */
  look: () => void = () => {};

  /** @throws {ShmError} `ERR_ROLE_TAKEN` where the topic has a live publisher */
  constructor(memory: TopicMemory, spin: number) {
    this.memory = memory;
    this.spin = spin;
    this.#words = memory.words;
    if (memory.tryLock(publisherLock)) return;
    const pid = loadWord(this.#words, Field.pid);
    const detail = `the topic has a publisher, process ${pid}; it may have one at a time`;
    throw this.error('ERR_ROLE_TAKEN', 'create', detail);
  }

  /** After this, readers see that there is a publisher. */
  attach(): void {
    storeWord(this.#words, Field.publisherWaiting, Waiting.none);
    storeWord(this.#words, Field.pid, process.pid);
    storeWord(this.#words, Field.instance, loadWord(this.#words, Field.instance) + 1);
    storeWord(this.#words, Field.state, RoleState.attached);
    this.checkMemory('create');
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @param wake tells the readers, between the state and the lock */
  close(wake: () => void): void {
    if (this.#closed) return;
    this.#closed = true;
    storeWord(this.#words, Field.publisherWaiting, Waiting.none);
    storeWord(this.#words, Field.state, RoleState.ended);
    wake();
    this.memory.unlock(publisherLock);
  }

  announce(bell: Doorbell, token: number): void {
    const error = writeBell(this.memory, Field.publisherBell, bell, token);
    if (error) throw this.error('ENAMETOOLONG', 'ready', error);
  }

  park(): void {
    storeWord(this.#words, Field.publisherWaiting, Waiting.parked);
  }

  unpark(): void {
    storeWord(this.#words, Field.publisherWaiting, Waiting.none);
  }

  checkPeer(): void {
    this.checkMemory('ready');
    this.look();
  }

  /**
   * To be called after the memory was touched: where its file was cut, what was written is lost. One
   * load as long as that has not happened.
   *
   * @throws {ShmError} `ERR_TRUNCATED`, or what the file system says
   */
  checkMemory(operation: string): void {
    const changes = this.memory.changes[0]!;
    if (changes === this.#seen) return;
    const fault = this.memory.fault(`topic.${operation}`);
    if (fault) throw fault;
    this.#seen = changes;
  }

  error(code: string, operation: string, detail: string): ShmError {
    return new ShmError(code, detail, `topic.${operation}`, this.memory.address);
  }
}
