import { sweepInterval } from './parking.js';

/** Microseconds of polling before the event loop gets its turn. */
const pollSlice = 20;

/** What is polled by {@link Pollers}. */
export interface Polled {
  /** When polling ends, by `performance.now()`. */
  readonly deadline: number;
  /** Looks, and notifies if the wait is over. */
  poll(): boolean;
  /** Checks the peer, which may have died. */
  sweep(): void;
  /** Polled for long enough: sleeps. */
  giveUp(): void;
}

/** The polling sides of this thread: a slice of looks, then the loop's turn, and again. */
class Pollers {
  readonly #polling = new Set<Polled>();
  #isScheduled = false;
  #swept = 0;

  add(waiter: Polled): void {
    this.#polling.add(waiter);
    this.#schedule();
  }

  delete(waiter: Polled): void {
    this.#polling.delete(waiter);
  }

  /**
   * The turn keeps the loop alive: an unreferenced immediate would not run before something
   * else wakes the loop. It is for microseconds; who polls for good must want the loop alive.
   */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#poll);
  }

  readonly #poll = () => {
    this.#isScheduled = false;
    let now = performance.now();
    const end = now + pollSlice / 1000;
    let found = false;
    do {
      // Who was told something mostly waits again at once, and so stands at the end of the
      // set: its turn comes in the next round.
      let left = this.#polling.size;
      for (const waiter of this.#polling) {
        if (left-- === 0) break;
        found = waiter.poll() || found;
      }
      now = performance.now();
      // Promises go on only after this turn: whoever was told something must not wait.
    } while (!found && now < end);
    const sweep = now - this.#swept > sweepInterval;
    if (sweep) this.#swept = now;
    for (const waiter of [...this.#polling]) {
      if (sweep) waiter.sweep();
      if (now < waiter.deadline || !this.#polling.has(waiter)) continue;
      waiter.giveUp();
    }
    if (this.#polling.size > 0) this.#schedule();
  };
}

export const pollers = new Pollers();
