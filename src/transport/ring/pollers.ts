import { now, setImmediate } from '../../timers.js';
import { sweepInterval, sweeps } from './parking.js';

/** Microseconds of polling before the event loop gets its turn. */
const pollSlice = 20;

/** What is polled by {@link Pollers}. */
export interface Polled {
  /** When polling ends, by the clock of `now`. */
  readonly deadline: number;
  /** Looks, and notifies if the wait is over. */
  poll(): boolean;
  /** Checks the peer, which may have died. */
  sweep(): void;
  /** Polled for long enough: sleeps. */
  giveUp(): void;
}

/**
 * The polling waiters of this thread: a slice of looks, then the event loop's turn, and again. What
 * a waiter calls may throw: a user's listener stands behind it. The round goes on in the next turn.
 */
class Pollers {
  readonly #polling = new Set<Polled>();
  #isScheduled = false;
  #swept = 0;
  /** What is left of a sweep. */
  #toSweep: Polled[] = [];

  add(waiter: Polled): void {
    this.#polling.add(waiter);
    this.#schedule();
  }

  delete(waiter: Polled): void {
    this.#polling.delete(waiter);
  }

  /**
   * The turn keeps the loop alive: an unreferenced immediate would not run before something
   * else wakes the loop. It is for microseconds; a waiter that polls for good needs the loop alive.
   */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = () => {
    this.#isScheduled = false;
    try {
      const time = this.#poll();
      this.#sweep(time);
      for (const waiter of [...this.#polling]) {
        if (time >= waiter.deadline && this.#polling.has(waiter)) waiter.giveUp();
      }
    } finally {
      if (this.#polling.size > 0) this.#schedule();
    }
  };

  /** Looks until something is found or the slice is over. @returns the time */
  #poll(): number {
    let time = now();
    const end = time + pollSlice / 1000;
    let found = false;
    do {
      // A waiter that was notified usually waits again at once, and then stands at the end of the
      // set: its turn comes in the next round, also where its listener threw.
      let left = this.#polling.size;
      for (const waiter of this.#polling) {
        if (left-- === 0) break;
        found = waiter.poll() || found;
      }
      time = now();
      // Promises go on only after this turn: what was notified must not wait for them.
    } while (!found && time < end);
    return time;
  }

  #sweep(time: number): void {
    if (time - this.#swept > sweepInterval && sweeps.enabled) {
      this.#swept = time;
      this.#toSweep = [...this.#polling];
    }
    for (let waiter; (waiter = this.#toSweep.pop());) {
      if (this.#polling.has(waiter)) waiter.sweep();
    }
  }
}

export const pollers = new Pollers();
