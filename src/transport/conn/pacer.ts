import { clearImmediate } from '../../timers.js';
import { afterTicks, type ListenerScope, nextTurn } from '../ring/listener-scope.js';

/** Bytes handed out before the event loop gets its turn. */
const bytesPerTurn = 1024 * 1024;

/** A chunk counts for at least this many: many small ones take their time too. */
const leastCharge = 4096;

/**
 * When the next chunk of a connection is handed out: after the microtasks and ticks that wait,
 * as after a callback of libuv's, or in the next turn of the loop once a turn's worth was handed out.
 */
export class Pacer {
  readonly #step: () => void;
  #left = bytesPerTurn;
  #isScheduled = false;
  #turn: NodeJS.Immediate | undefined;

  /** @param step hands out a chunk, in `scope`; checks itself whether one is still wanted */
  constructor(scope: ListenerScope, step: () => void) {
    const run = scope.bind(step);
    this.#step = () => {
      this.#isScheduled = false;
      run();
    };
  }

  get isScheduled(): boolean {
    return this.#isScheduled;
  }

  /** The next step comes before the loop's next turn. */
  get isImminent(): boolean {
    return this.#isScheduled && !this.#turn;
  }

  /** The loop has had its turn. */
  begin(): void {
    this.#left = bytesPerTurn;
  }

  charge(bytes: number): void {
    this.#left -= Math.max(bytes, leastCharge);
  }

  /** Runs a function of the user's; if it throws, the next step comes in another turn. */
  guard<T>(action: () => T): T {
    const left = this.#left;
    this.#left = 0;
    const result = action();
    this.#left = left;
    return result;
  }

  /** Has a step run, if none is scheduled. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    if (this.#left > 0) return afterTicks(this.#step);
    this.#turn = nextTurn(() => {
      this.#turn = undefined;
      this.begin();
      this.#step();
    });
  }

  /** A step that waits for its turn does not come; one that waits for ticks still does. */
  close(): void {
    clearImmediate(this.#turn);
  }
}
