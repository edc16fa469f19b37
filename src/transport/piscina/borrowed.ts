import { addon } from '../../native/addon.js';
import { setImmediate } from '../../timers.js';
import type { PayloadEntry } from './arena-core.js';
import { watchForgotten } from './forgotten.js';

/** What the views of a borrowed result lie in. */
interface Loan {
  readonly entries: readonly PayloadEntry[];
  /** Buffers of it that can still be reached. */
  reachable: number;
  returned?: boolean;
}

const watch = watchForgotten<Loan>(
  loan => {
    if (--loan.reachable > 0 || loan.returned) return;
    loan.entries[0]!.core.leaks++; // they are of one arena
    giveBack(loan);
  },
  loan => !loan.returned,
  setImmediate,
);

function giveBack(loan: Loan): void {
  if (loan.returned) return;
  loan.returned = true;
  for (const entry of loan.entries) entry.endUse();
}

/**
 * A result whose views lie in the arena, until `release()`. Forgotten, it comes back when its views
 * have been collected. Do not transfer their buffers: others' bytes would show in what receives them.
 */
export class Borrowed<R> {
  /** What the task returned. */
  readonly value: R;
  readonly #buffers: readonly ArrayBuffer[];
  readonly #loan: Loan;

  /** @internal */
  constructor(value: R, buffers: readonly ArrayBuffer[], entries: readonly PayloadEntry[]) {
    this.value = value;
    this.#buffers = buffers;
    this.#loan = { entries, reachable: buffers.length };
    if (entries.length > 0) for (const buffer of buffers) watch(buffer, this.#loan);
  }

  /**
   * Gives the memory back. The views are detached: they have a length of 0 from now on, and their
   * methods throw. A second call does nothing.
   */
  release(): void {
    for (const buffer of this.#buffers) addon.detach(buffer);
    giveBack(this.#loan);
  }

  /** The same as `release()`, for `using`. */
  [Symbol.dispose](): void {
    this.release();
  }
}
