import { ShmError } from '../errors.js';
import { loadWord, storeWord, takeWord } from './atomics.js';
import { Field, RoleState, Waiting } from './layout.js';
import type { RingMemory, Role } from './memory.js';

interface RoleFields {
  readonly state: number;
  readonly pid: number;
  /** The flag this role sets before it sleeps. */
  readonly waiting: number;
}

const fields: Record<Role, RoleFields> = {
  producer: { state: Field.producerState, pid: Field.producerPid, waiting: Field.producerWaiting },
  consumer: { state: Field.consumerState, pid: Field.consumerPid, waiting: Field.consumerWaiting },
};

/** How long a blocking call polls before it sleeps: about the cost of being woken. */
const spinMicroseconds = 20;

/** A sleeper looks after this many milliseconds whether its peer is still alive. */
const livenessInterval = 100;

/**
 * What producer and consumer do alike: hold their role, sleep and wake, and notice that
 * the other side ended, died or wrote nonsense. Nothing here is on the path of a message
 * except {@link wakePeer}, which loads one word.
 */
export class Side {
  readonly role: Role;
  readonly memory: RingMemory;
  readonly #words: Int32Array;
  readonly #own: RoleFields;
  readonly #peer: RoleFields;
  readonly #peerRole: Role;
  #closed = false;

  /**
   * @throws {ShmError} `ERR_ROLE_TAKEN` where somebody holds the role; nothing has changed
   */
  constructor(memory: RingMemory, role: Role) {
    this.role = role;
    this.memory = memory;
    this.#words = memory.words;
    this.#own = fields[role];
    this.#peerRole = role === 'producer' ? 'consumer' : 'producer';
    this.#peer = fields[this.#peerRole];
    if (!memory.tryLock(role)) {
      const pid = loadWord(this.#words, this.#own.pid);
      throw this.error('ERR_ROLE_TAKEN', 'attach', `the ${role}'s role is held by process ${pid}`);
    }
    // The lock comes first: whoever sees `attached` may ask the kernel whether it is true.
    storeWord(this.#words, this.#own.pid, process.pid);
    storeWord(this.#words, this.#own.state, RoleState.attached);
    storeWord(this.#words, this.#own.waiting, Waiting.none);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Gives the role up. A peer that sleeps is woken to see it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (loadWord(this.#words, this.#own.state) === RoleState.attached) {
      storeWord(this.#words, this.#own.state, RoleState.ended);
    }
    this.wakePeer();
    this.memory.unlock(this.role);
  }

  /** SYNC park, the waker's side: call it after the store that the peer waits for. */
  wakePeer(): void {
    if (loadWord(this.#words, this.#peer.waiting) !== Waiting.none) this.#ring();
  }

  #ring(): void {
    if (takeWord(this.#words, this.#peer.waiting) === Waiting.blocked) {
      this.memory.wake(this.#peer.waiting);
    }
  }

  /** The peer gave its role up in good order. */
  peerEnded(): boolean {
    return loadWord(this.#words, this.#peer.state) === RoleState.ended;
  }

  /**
   * Throws where the peer poisoned the ring, or was killed: it says it is attached, yet
   * the kernel has dropped its lock. Committed records are still there to be read.
   */
  checkPeer(operation: string): void {
    const state = loadWord(this.#words, this.#peer.state);
    if (state === RoleState.poisoned) {
      throw this.error('ERR_CORRUPT', operation, `the ${this.#peerRole} found the ring corrupt`);
    }
    if (state !== RoleState.attached || this.memory.isLocked(this.#peerRole)) return;
    // It may have ended between the two looks; the state is stored before the lock goes.
    if (loadWord(this.#words, this.#peer.state) !== RoleState.attached) return;
    const pid = loadWord(this.#words, this.#peer.pid);
    throw this.error('ERR_PEER_DIED', operation, `the ${this.#peerRole} (process ${pid}) died`);
  }

  /**
   * Blocks this thread until `ready`, polling first, then asleep.
   *
   * SYNC park, the sleeper's side: `waiting` is stored before `ready` looks once more. A
   * peer that published before that store is seen by the look; one that publishes after
   * it sees the flag.
   *
   * @param timeout milliseconds, Infinity for no limit
   * @returns false when the time ran out
   * @throws {ShmError} `ERR_PEER_DIED`, `ERR_CORRUPT`, as {@link checkPeer}
   */
  waitSync(operation: string, ready: () => boolean, timeout: number): boolean {
    if (ready()) return true;
    if (timeout <= 0) return false;
    const start = performance.now();
    while (performance.now() - start < spinMicroseconds / 1000) {
      for (let i = 0; i < 100; i++) if (ready()) return true;
    }
    const field = this.#own.waiting;
    for (;;) {
      const left = timeout - (performance.now() - start);
      if (left <= 0) return ready();
      storeWord(this.#words, field, Waiting.blocked);
      if (!ready()) {
        this.memory.wait(field, Waiting.blocked, Math.min(left, livenessInterval));
      }
      storeWord(this.#words, field, Waiting.none);
      if (ready()) return true;
      try {
        this.checkPeer(operation);
      } catch (error) {
        // What it committed before it died comes first.
        if (ready()) return true;
        throw error;
      }
    }
  }

  /** Marks the ring as unusable for both sides, and makes the error that says why. */
  poison(operation: string, detail: string): ShmError {
    storeWord(this.#words, this.#own.state, RoleState.poisoned);
    this.wakePeer();
    return this.error('ERR_CORRUPT', operation, detail);
  }

  /** Throws what stands in the way of any further use of this side. */
  checkUsable(operation: string): void {
    if (this.#closed) throw this.error('ERR_CLOSED', operation, `this ${this.role} is closed`);
    if (loadWord(this.#words, this.#own.state) === RoleState.poisoned) {
      throw this.error('ERR_CORRUPT', operation, 'the ring was found corrupt before');
    }
  }

  error(code: string, operation: string, detail: string): ShmError {
    return new ShmError(code, detail, `${this.role}.${operation}`, this.memory.address);
  }
}

/** Milliseconds from an optional argument: absent means no limit. */
export function checkTimeout(operation: string, timeout: number | undefined): number {
  if (timeout === undefined) return Number.POSITIVE_INFINITY;
  if (typeof timeout === 'number' && timeout >= 0) return timeout;
  throw new ShmError(
    'ERR_OUT_OF_RANGE',
    `timeout must be milliseconds of at least 0, got ${timeout}`,
    operation,
  );
}
