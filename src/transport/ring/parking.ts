import { Doorbell } from '../../native/doorbell.js';

/** How often parked waiters are checked for a peer that died without ringing, in milliseconds. */
export const sweepInterval = 250;

/** Waiters checked per sweep: a thousand idle rings must cost next to nothing. */
const waitersPerSweep = 128;

/** What waits in {@link Parking}. */
export interface Parked {
  /** Whether it keeps the event loop alive. */
  readonly refed: boolean;
  /** Its peer rang. */
  rung(): void;
  /** Checks the peer, which may have died without ringing. */
  sweep(): void;
}

/** The parked sides of this thread, behind one doorbell however many they are. */
class Parking {
  #bell: Doorbell | undefined;
  readonly #enrolled: (Parked | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #parked = new Set<Parked>();
  #sweep: NodeJS.Timeout | undefined;
  #rest: Iterator<Parked, undefined> | undefined;

  get bell(): Doorbell {
    this.#bell ??= new Doorbell(token => this.#enrolled[token]?.rung());
    return this.#bell;
  }

  enroll(waiter: Parked): number {
    const token = this.#free.pop() ?? this.#enrolled.length;
    this.#enrolled[token] = waiter;
    return token;
  }

  /** With the last one goes the bell, and its file. */
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
    this.#sweep ??= setInterval(() => this.#sweepSome(), sweepInterval).unref();
  }

  leave(waiter: Parked): void {
    this.#parked.delete(waiter);
    if (waiter.refed) this.bell.unref();
    if (this.#parked.size > 0) return;
    clearInterval(this.#sweep);
    this.#sweep = undefined;
  }

  changeRef(refed: boolean): void {
    if (refed) this.bell.ref();
    else this.bell.unref();
  }

  #sweepSome(): void {
    for (let i = 0; i < waitersPerSweep; i++) {
      this.#rest ??= this.#parked.values();
      const next = this.#rest.next();
      if (next.done) {
        this.#rest = undefined;
        return;
      }
      next.value.sweep();
    }
  }
}

export const parking = new Parking();
