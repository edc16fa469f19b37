import { atExit } from '../../native/at-exit.js';
import { now } from '../../timers.js';

/** What a process that ends still has to send. */
export interface Unfinished {
  /** Milliseconds that the end may wait for it. */
  readonly closeTimeout: number;
  /**
   * Sends what there is room for, waiting up to that many milliseconds for more. @returns whether
   * that was all
   */
  finishSync(timeout: number): boolean;
}

/** Milliseconds that the end waits for one peer before it looks at the next. */
const turn = 1;

const unfinished = new Set<Unfinished>();
let undo: (() => void) | undefined;

/** Has it finished when the process ends, before anything that was there earlier is closed. */
export function finishAtExit(sender: Unfinished): void {
  unfinished.add(sender);
  undo?.();
  undo = atExit(finishAll);
}

/** It has nothing left to send. */
export function forgetUnfinished(sender: Unfinished): void {
  if (!unfinished.delete(sender) || unfinished.size > 0) return;
  undo?.();
  undo = undefined;
}

/** Together: one peer that does not read keeps the others waiting for a moment only. */
function finishAll(): void {
  undo = undefined;
  const start = now();
  while (unfinished.size > 0) {
    for (const sender of unfinished) {
      const left = sender.closeTimeout - (now() - start);
      // Alone it can wait for longer: it is woken.
      const timeout = Math.min(unfinished.size === 1 ? left : turn, left);
      try {
        if (sender.finishSync(Math.max(0, timeout)) || left <= 0) unfinished.delete(sender);
      } catch {
        unfinished.delete(sender); // its peer has gone
      }
    }
  }
}
