import type { ShmError } from '../../errors.js';
import type { Doorbell } from '../../native/doorbell.js';
import { now, setImmediate } from '../../timers.js';
import { type Parked, parking } from './parking.js';
import { type Polled, pollers } from './pollers.js';

/** A waiter that polls in vain skips polling for at most this many waits. */
const mostSkipped = 31;

/** What a {@link LoopWaiter} needs of what sleeps: the holder of a role, a reader of a topic. */
export interface Sleeper {
  /** Microseconds of polling before sleep. */
  readonly spin: number;
  readonly closed: boolean;
  /** Writes down which bell is to be rung; before the first {@link park}. */
  announce(bell: Doorbell, token: number): void;
  /** SYNC park, the sleeper's side; the caller looks once more after it. */
  park(): void;
  unpark(): void;
  /** The bounded look at a peer that may have died. @throws {ShmError} where it has */
  checkPeer(operation: string): void;
}

/**
 * How the holder of a role waits on the event loop of this thread: it polls as its strategy says,
 * then parks until its peer rings.
 */
export class LoopWaiter implements Parked, Polled {
  readonly #role: Sleeper;
  readonly #ready: () => boolean;
  readonly #notify: (error?: ShmError, temporary?: boolean) => void;
  #state: 'idle' | 'polling' | 'parked' | 'failing' = 'idle';
  #token = -1;
  #refed = true;
  /** When polling ends. */
  deadline = 0;
  /** Sleeps at once, without polling, where that has been in vain lately. */
  readonly #adapts: boolean;
  /** How many waits skip polling from now on, and how many will after the next poll in vain. */
  #toSkip = 0;
  #penalty = 0;

  /**
   * @param ready whether the wait is over; also when the peer has ended
   * @param notify called once per {@link start}, from the loop, never within `start`; with the
   *   error where the peer died or the ring is corrupt; or where no doorbell could be made, which is
   *   temporary: the next `start` tries again. It may throw, and may start, stop or close any waiter.
   * @param adapts polls only while that finds something: a peer that runs on this core, or
   *   has much to do before it answers, is kept waiting by it. See ADR-0005.
   */
  constructor(
    role: Sleeper,
    ready: () => boolean,
    notify: (error?: ShmError, temporary?: boolean) => void,
    adapts = false,
  ) {
    this.#role = role;
    this.#adapts = adapts;
    this.#ready = ready;
    this.#notify = notify;
  }

  get active(): boolean {
    return this.#state !== 'idle';
  }

  get refed(): boolean {
    return this.#refed;
  }

  /** Polling keeps the loop alive, and so must end where that is not wanted. */
  get #mayPoll(): boolean {
    return this.#refed || Number.isFinite(this.#role.spin);
  }

  /** Begins to wait. While it waits, a second call does nothing. */
  start(): void {
    if (this.#state !== 'idle') return;
    const { spin } = this.#role;
    if (this.#toSkip > 0) {
      this.#toSkip--;
      this.park();
    } else if (spin > 0 && this.#mayPoll) {
      this.#state = 'polling';
      this.deadline = now() + spin / 1000;
      pollers.add(this);
    } else {
      this.park();
    }
  }

  /** Gives up waiting; `notify` is not called. */
  stop(): void {
    if (this.#state === 'polling') pollers.delete(this);
    if (this.#state === 'parked') this.#leave();
    this.#state = 'idle';
  }

  /** Stops, and forgets the doorbell. */
  close(): void {
    this.stop();
    if (this.#token >= 0) parking.withdraw(this.#token);
    this.#token = -1;
  }

  /** Whether the wait keeps the process alive; at first it does. */
  setRef(refed: boolean): void {
    if (this.#refed === refed) return;
    this.#refed = refed;
    if (this.#state === 'parked') parking.changeRef(refed);
    if (this.#state === 'polling' && !this.#mayPoll) {
      this.stop();
      this.park();
    } else if (this.#state === 'parked' && refed && this.#role.spin === Infinity) {
      this.stop();
      this.start();
    }
  }

  /** Looks, and notifies if the wait is over. */
  poll(): boolean {
    let error: ShmError | undefined;
    try {
      if (!this.#ready()) return false;
    } catch (cause) {
      error = cause as ShmError;
    }
    if (this.#state === 'polling') this.#penalty = 0;
    this.stop();
    this.#notify(error);
    return true;
  }

  /** It has polled for its time: it sleeps. */
  giveUp(): void {
    this.stop();
    if (this.#adapts) {
      this.#penalty = Math.min(2 * this.#penalty + 1, mostSkipped);
      this.#toSkip = this.#penalty;
    }
    this.park();
  }

  /**
   * Makes a doorbell and writes its name down for the peer; otherwise the first wait does.
   *
   * @throws {ShmError} the errno name where the doorbell cannot be made
   */
  prepare(): void {
    if (this.#token >= 0) return;
    const token = parking.enroll(this);
    try {
      this.#role.announce(parking.bell, token);
    } catch (error) {
      parking.withdraw(token);
      throw error;
    }
    this.#token = token;
  }

  /** SYNC park: the flag first, then one more look. */
  park(): void {
    try {
      this.prepare();
    } catch (error) {
      return this.#failLater(error as ShmError);
    }
    this.#state = 'parked';
    parking.enter(this);
    this.#role.park();
    // What came in between is reported in a later turn, like everything else.
    if (this.#isReady()) setImmediate(() => this.#state === 'parked' && this.poll());
  }

  /** No doorbell could be made, for lack of file descriptors or memory. */
  #failLater(error: ShmError): void {
    this.#state = 'failing';
    setImmediate(() => {
      if (this.#state !== 'failing') return;
      this.#state = 'idle';
      this.#notify(error, true);
    });
  }

  /** The peer rang, perhaps for an earlier wait: sees whether there is something. */
  rung(): void {
    if (this.#state !== 'parked' || this.poll()) return;
    this.#role.park();
    if (this.#isReady()) this.poll();
  }

  /** The bounded look at a peer that can no longer ring. */
  sweep(): void {
    if (this.#state === 'idle' || this.#state === 'failing' || this.poll()) return;
    try {
      this.#role.checkPeer('wait');
    } catch (error) {
      if (this.poll()) return; // what it committed before it died comes first
      this.stop();
      this.#notify(error as ShmError);
    }
  }

  #isReady(): boolean {
    try {
      return this.#ready();
    } catch {
      return true; // and `poll` reports the error
    }
  }

  #leave(): void {
    parking.leave(this);
    if (!this.#role.closed) this.#role.unpark();
  }
}
