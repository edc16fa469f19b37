import { addon } from '../../native/addon.js';
import { setImmediate } from '../../timers.js';
import type { ArenaCore, PayloadEntry } from './arena-core.js';
import type { Block } from './partition.js';

/** The memory of a borrowed result: what its views lie in. */
interface Loan {
  readonly core: ArenaCore;
  readonly places: ReadonlySet<Block | PayloadEntry>;
  /** Buffers of it that can still be reached. */
  reachable?: number;
  returned?: boolean;
}

/** Buffers of borrowed results that are no longer reachable. */
const forgotten = new FinalizationRegistry<Loan>(loan => {
  if (--loan.reachable! > 0 || loan.returned) return;
  loan.core.leaks++;
  giveBack(loan);
});

/**
 * Results that were lent in this turn of the event loop. Most are released before its end, and
 * watching one costs as much as lending it.
 */
let fresh: { buffers: readonly ArrayBuffer[]; loan: Loan }[] = [];

function watchFresh(): void {
  for (const { buffers, loan } of fresh) {
    loan.reachable = buffers.length;
    if (!loan.returned) for (const buffer of buffers) forgotten.register(buffer, loan);
  }
  fresh = [];
}

function giveBack(loan: Loan): void {
  if (loan.returned) return;
  loan.returned = true;
  for (const place of loan.places) {
    if ('uses' in place) loan.core.endUse(place);
    else loan.core.give(place);
  }
}

/**
 * A result whose views lie in the arena, until `release()`. Forgotten, it comes back when its views
 * have been collected; until then it takes up room.
 */
export class Borrowed<R> {
  /** What the task returned. */
  readonly value: R;
  readonly #buffers: readonly ArrayBuffer[];
  readonly #loan: Loan;

  /** @internal */
  constructor(value: R, buffers: readonly ArrayBuffer[], loan: Loan) {
    this.value = value;
    this.#buffers = buffers;
    this.#loan = loan;
    if (buffers.length > 0 && fresh.push({ buffers, loan }) === 1) setImmediate(watchFresh);
  }

  /**
   * Gives the memory back. The views are detached: they have a length of 0 from now on, and their
   * methods throw. A second call does nothing.
   */
  release(): void {
    for (const buffer of this.#buffers) addon.detach(buffer);
    giveBack(this.#loan);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
