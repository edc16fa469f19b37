import { addon } from '../../native/addon.js';
import type { Block } from './part.js';
import type { Holding, Store } from './store.js';

/** A block, or a payload's, that lent views lie in. */
export interface Lent {
  readonly store: Store;
  readonly place: Block | Holding;
  /** Buffers over it that can still be reached. */
  buffers: number;
  given: boolean;
}

/** Buffers of loans that nobody can reach any more. */
const forgotten = new FinalizationRegistry<Lent>(lent => {
  if (--lent.buffers > 0 || lent.given) return;
  lent.store.leaks++;
  giveBack(lent);
});

/**
 * Buffers that were lent in this turn of the event loop. Most are released before its end, and to
 * watch one costs as much as to lend it.
 */
let fresh: { buffer: ArrayBuffer; lent: Lent }[] = [];

function watchFresh(): void {
  for (const { buffer, lent } of fresh) if (!lent.given) forgotten.register(buffer, lent);
  fresh = [];
}

function giveBack(lent: Lent): void {
  if (lent.given) return;
  lent.given = true;
  if ('uses' in lent.place) lent.store.endUse(lent.place);
  else lent.store.give(lent.place);
}

/**
 * A result whose views lie in the arena, until `release()`. Forgotten, it comes back when
 * its views have been collected; until then it takes room.
 */
export class Borrowed<R> {
  /** What the task returned. */
  readonly value: R;
  readonly #buffers: ArrayBuffer[];
  readonly #lent: Iterable<Lent>;
  #released = false;

  /** @internal */
  constructor(value: R, buffers: ArrayBuffer[] = [], lent: Iterable<Lent> = []) {
    this.value = value;
    this.#buffers = buffers;
    this.#lent = lent;
  }

  /**
   * Gives the memory back. The views are detached: they have a length of 0 from now on, and
   * their methods throw. A second call does nothing.
   */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const buffer of this.#buffers) addon.detach(buffer);
    for (const lent of this.#lent) giveBack(lent);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** A buffer over some bytes of a lent block. */
export function lendBuffer(lent: Lent, offset: number, length: number): ArrayBuffer {
  const buffer = lent.store.region.piece(offset, length);
  lent.buffers++;
  if (fresh.push({ buffer, lent }) === 1) setImmediate(watchFresh);
  return buffer;
}
