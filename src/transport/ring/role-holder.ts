import { ShmError } from '../../errors.js';
import { notConstructed } from '../../native/arguments.js';
import type { Doorbell } from '../../native/doorbell.js';
import { loadWord, storeWord, takeWord } from './atomics.js';
import { RoleState, Waiting } from './layout.js';
import type { RingMemory, Role } from './memory.js';
import { waitSync } from './blocking-wait.js';
import { PeerBell, writeBell } from './peer-bell.js';
import { type RoleFields, roleFields } from './role-fields.js';

const wasCorrupt = 'the ring was found corrupt before';

/** How a role is taken. */
export interface RoleClaim {
  /** Microseconds of polling before sleep. */
  readonly spin: number;
  /** Also refuse a role that was held before. @default false */
  readonly first?: boolean | undefined;
  /** What errors call the operations. @default `producer.attach`, `producer.write` and the like */
  readonly operations?: { readonly attach: string; readonly use: string } | undefined;
}

/**
 * What producer and consumer do alike: hold their role, sleep and wake, and notice that
 * the other side ended, died or corrupted the ring. Nothing here is on the path of a message
 * except {@link wakePeer}, which loads one word.
 */
export class RoleHolder {
  readonly role: Role;
  readonly memory: RingMemory;
  /** Microseconds of polling before sleep. */
  readonly spin: number;
  readonly #words: Int32Array;
  readonly #counters: Float64Array;
  readonly #own: RoleFields;
  readonly #peer: RoleFields;
  readonly #peerRole: Role;
  readonly #operations: RoleClaim['operations'];
  #bell: PeerBell | undefined;
  #closed = false;
  /** The peer is known to be gone by other means than the kernel's lock. */
  #peerLost = false;
  /** Kept here too: a peer that corrupted the ring could overwrite the word in the header. */
  #poisoned = false;
  readonly #changes: Int32Array;
  /** What `changes` was when the memory was last found whole; at first -1, which it never is. */
  #seen = -1;

  /**
   * @throws {ShmError} `ERR_ROLE_TAKEN` where somebody holds the role, `ERR_CORRUPT` where
   *   a holder of either role found the ring corrupt; nothing has changed
   */
  constructor(memory: RingMemory, role: Role, { spin, first = false, operations }: RoleClaim) {
    if (!memory?.words) notConstructed('Producer', 'ring.producer() or ring.consumer()');
    this.#operations = operations;
    this.role = role;
    this.memory = memory;
    this.spin = spin;
    this.#words = memory.words;
    this.#changes = memory.changes;
    const cut = this.#cut('attach');
    if (cut) throw cut;
    this.#counters = new Float64Array(memory.plain.buffer, memory.plain.byteOffset, 128);
    this.#own = roleFields[role];
    this.#peerRole = role === 'producer' ? 'consumer' : 'producer';
    this.#peer = roleFields[this.#peerRole];
    if (!memory.tryLock(role)) {
      const pid = loadWord(this.#words, this.#own.pid);
      throw this.error('ERR_ROLE_TAKEN', 'attach', `the ${role}'s role is held by process ${pid}`);
    }
    try {
      this.#attach(first);
    } catch (error) {
      memory.unlock(role);
      throw error;
    }
  }

  #attach(first: boolean): void {
    const states = [this.#own, this.#peer].map(({ state }) => loadWord(this.#words, state));
    if (states.includes(RoleState.poisoned)) throw this.error('ERR_CORRUPT', 'attach', wasCorrupt);
    if (first && loadWord(this.#words, this.#own.state) !== RoleState.never) {
      const detail = `process ${loadWord(this.#words, this.#own.pid)} had the ${this.role}'s role`;
      throw this.error('ERR_ROLE_TAKEN', 'attach', detail);
    }
    // The lock came first: a peer that sees `attached` may ask the kernel whether it is true.
    storeWord(this.#words, this.#own.waiting, Waiting.none);
    storeWord(this.#words, this.#own.pid, process.pid);
    storeWord(this.#words, this.#own.state, RoleState.attached);
    this.checkMemory('attach');
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Gives the role up. A peer that sleeps is woken to see it.
   *
   * @param orderly false: leaves the role as a killed holder would
   */
  close(orderly = true): void {
    if (this.#closed) return;
    this.#closed = true;
    storeWord(this.#words, this.#own.waiting, Waiting.none);
    if (
      orderly &&
      !this.#poisoned &&
      loadWord(this.#words, this.#own.state) === RoleState.attached
    ) {
      storeWord(this.#words, this.#own.state, RoleState.ended);
    }
    this.wakePeer();
    this.#bell?.close();
    this.memory.unlock(this.role);
  }

  /** SYNC park, the waker's side: call it after the store that the peer waits for. */
  wakePeer(): void {
    if (loadWord(this.#words, this.#peer.waiting) !== Waiting.none) this.#ring();
  }

  #ring(): void {
    const waiting = takeWord(this.#words, this.#peer.waiting);
    if (waiting === Waiting.none) return; // it woke by itself
    this.#counters[this.#own.wakes]!++;
    if (waiting === Waiting.blocked) {
      this.memory.wake(this.#peer.waiting);
    } else {
      this.#bell ??= new PeerBell(this.#words, this.memory.plain, this.#peer.bell);
      this.#bell.ring();
    }
  }

  /** The peer gave its role up in good order. */
  peerEnded(): boolean {
    return loadWord(this.#words, this.#peer.state) === RoleState.ended;
  }

  /**
   * The socket beside the ring is closed, so the peer is gone, though its lock may go a
   * moment later. In good order or not, its state says.
   */
  markPeerLost(): void {
    this.#peerLost = true;
  }

  /**
   * Throws where the peer poisoned the ring, or was killed: it says it is attached, yet
   * the kernel has dropped its lock. Committed records are still there to be read.
   */
  checkPeer(operation: string): void {
    const state = loadWord(this.#words, this.#peer.state);
    this.checkMemory(operation);
    if (state === RoleState.poisoned) {
      const detail = `the ${this.#peerRole} found the ring corrupt`;
      throw this.#cut(operation) ?? this.error('ERR_CORRUPT', operation, detail);
    }
    if (state !== RoleState.attached) return;
    if (!this.#peerLost && this.#peerIsThere()) return;
    // It may have ended between the two looks; the state is stored before the lock goes.
    if (loadWord(this.#words, this.#peer.state) !== RoleState.attached) return;
    const pid = loadWord(this.#words, this.#peer.pid);
    throw this.error('ERR_PEER_DIED', operation, `the ${this.#peerRole} (process ${pid}) died`);
  }

  #peerIsThere(): boolean {
    try {
      return this.memory.isLocked(this.#peerRole);
    } catch {
      return true; // the kernel does not say (`ENOLCK`): it is asked again
    }
  }

  /**
   * Blocks this thread until `ready`, see {@link waitSync}.
   *
   * @throws {ShmError} `ERR_PEER_DIED`, `ERR_CORRUPT`, as {@link checkPeer}
   */
  waitSync(operation: string, ready: () => boolean, timeout: number): boolean {
    return waitSync(this, operation, ready, timeout);
  }

  /** SYNC park, the sleeper's side: the flag first, then one more look. */
  sleepSync(ready: () => boolean, milliseconds: number): void {
    storeWord(this.#words, this.#own.waiting, Waiting.blocked);
    try {
      if (!ready()) this.memory.wait(this.#own.waiting, Waiting.blocked, milliseconds);
    } finally {
      storeWord(this.#words, this.#own.waiting, Waiting.none);
    }
  }

  /** Writes down which bell the peer has to ring for this side; before the first {@link park}. */
  announce(bell: Doorbell, token: number): void {
    const error = writeBell(this.memory, this.#own.bell, bell, token);
    if (error) throw this.error('ENAMETOOLONG', 'park', error);
  }

  /**
   * Rings the bell that the peer has named, though it may not sleep. False: it cannot be reached
   * from here, for example where the two see different directories.
   */
  ringPeer(): boolean {
    this.#bell ??= new PeerBell(this.#words, this.memory.plain, this.#peer.bell);
    return this.#bell.ring();
  }

  /**
   * SYNC park, the sleeper's side on the event loop. After this the caller looks once more
   * whether it need sleep at all, and calls {@link unpark} if not.
   */
  park(): void {
    storeWord(this.#words, this.#own.waiting, Waiting.parked);
  }

  unpark(): void {
    storeWord(this.#words, this.#own.waiting, Waiting.none);
  }

  /**
   * Marks the ring as unusable for both sides, and makes the error that says why: a file that was
   * cut is not the peer's fault.
   */
  poison(operation: string, detail: string): ShmError {
    const error = this.#cut(operation) ?? this.error('ERR_CORRUPT', operation, detail);
    this.#poisoned = true;
    storeWord(this.#words, this.#own.state, RoleState.poisoned);
    this.wakePeer();
    return error;
  }

  /**
   * Call it after the ring's memory was touched and before what was found there is used: a file
   * that somebody cut shows zeros. Costs one load as long as that has not happened.
   *
   * @throws {ShmError} `ERR_TRUNCATED`, or what the file system says
   */
  checkMemory(operation: string): void {
    if (this.#changes[0] !== this.#seen) this.#look(operation);
  }

  /**
   * The same before anything new is used, with a look at the file's last word: a cut that loses no
   * page, or pages that nobody has touched since, is found out too.
   */
  checkWhole(operation: string): void {
    const { last, lastValue } = this.memory;
    const value = last[0];
    this.checkMemory(operation);
    if (value !== lastValue && lastValue !== undefined) throw this.poison(operation, 'it was cut');
  }

  #look(operation: string): void {
    const changes = this.#changes[0]!;
    if (this.memory.fault(this.#name(operation))) throw this.poison(operation, '');
    this.#seen = changes;
  }

  #cut(operation: string): ShmError | undefined {
    return this.memory.cut(this.#name(operation));
  }

  /** Throws what stands in the way of any further use of this side. */
  checkUsable(operation: string): void {
    if (this.#closed) throw this.error('ERR_CLOSED', operation, `this ${this.role} is closed`);
    if (this.#poisoned || loadWord(this.#words, this.#own.state) === RoleState.poisoned) {
      throw this.#cut(operation) ?? this.error('ERR_CORRUPT', operation, wasCorrupt);
    }
  }

  error(code: string, operation: string, detail: string): ShmError {
    return new ShmError(code, detail, this.#name(operation), this.memory.address);
  }

  #name(operation: string): string {
    const { attach = '', use } = this.#operations ?? {};
    if (use === undefined) return `${this.role}.${operation}`;
    return operation === 'attach' ? attach : operation.endsWith('Sync') ? `${use}Sync` : use;
  }
}
