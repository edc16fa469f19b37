import { Doorbell } from '../../native/doorbell.js';
import { clearInterval, setImmediate, setInterval } from '../../timers.js';

/** How often waiters are checked for a peer that died without ringing, in milliseconds. */
export const sweepInterval = 250;

/** Waiters checked per sweep: a thousand idle rings must cost next to nothing. */
const waitersPerSweep = 128;

/**
 * Whether waiters are checked at all. Only a peer's death needs it: tests switch it off to show that
 * no wake-up does.
 */
export const sweeps = { enabled: true };

/** What waits in {@link Parking}. */
export interface Parked {
  /** Whether it keeps the event loop alive. */
  readonly refed: boolean;
  /** Its peer rang. */
  rung(): void;
  /** Checks the peer, which may have died without ringing. */
  sweep(): void;
}

/**
 * The parked waiters of this thread, behind one doorbell however many they are. What a waiter calls
 * may throw: a user's listener stands behind it. No other waiter notices.
 */
class Parking {
  #bell: Doorbell | undefined;
  readonly #enrolled: (Parked | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #parked = new Set<Parked>();
  #interval: NodeJS.Timeout | undefined;
  /** Where the last sweep stopped. */
  #rest: Iterator<Parked, undefined> | undefined;

  /** @throws {ShmError} the errno name where the bell cannot be made */
  get bell(): Doorbell {
    this.#bell ??= new Doorbell(token => this.#enrolled[token]?.rung());
    return this.#bell;
  }

  enroll(waiter: Parked): number {
    const token = this.#free.pop() ?? this.#enrolled.length;
    this.#enrolled[token] = waiter;
    return token;
  }

  /** The last waiter removes the bell, and its file. */
  withdraw(token: number): void {
    this.#enrolled[token] = undefined;
    this.#free.push(token);
    if (this.#free.length < this.#enrolled.length) return;
    this.#bell?.close();
    this.#bell = undefined;
    this.#enrolled.length = 0;
    this.#free.length = 0;
  }

  enter(waiter: Parked): void {
    this.#parked.add(waiter);
    if (waiter.refed) this.bell.ref();
    this.#interval ??= setInterval(() => this.#sweep(waitersPerSweep), sweepInterval).unref();
  }

  leave(waiter: Parked): void {
    this.#parked.delete(waiter);
    if (waiter.refed) this.bell.unref();
    if (this.#parked.size > 0) return;
    clearInterval(this.#interval);
    this.#interval = undefined;
  }

  changeRef(refed: boolean): void {
    if (refed) this.bell.ref();
    else this.bell.unref();
  }

  #sweep(count: number): void {
    if (!sweeps.enabled) return;
    let isOver = false;
    try {
      while (count-- > 0) {
        this.#rest ??= this.#parked.values();
        const next = this.#rest.next();
        if (next.done) {
          this.#rest = undefined;
          break;
        }
        next.value.sweep();
      }
      isOver = true;
    } finally {
      // A listener threw: the others of this sweep come in the next turn.
      if (!isOver && count > 0) setImmediate(() => this.#sweep(count));
    }
  }
}

export const parking = new Parking();
