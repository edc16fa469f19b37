import { clearTimeout, setTimeout } from '../../timers.js';

/** Milliseconds between two tries to make a doorbell where that failed. */
const retryInterval = 100;

/**
 * For a wait that cannot begin because no doorbell can be made, for lack of file descriptors or
 * memory: until there is one, it looks from time to time instead.
 */
export class WaitRetry {
  readonly #retry: () => void;
  readonly #report: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param retry looks, and begins to wait again
   * @param report called with the first error of a row of failures
   */
  constructor(retry: () => void, report: (error: Error) => void) {
    this.#retry = retry;
    this.#report = report;
  }

  /** @param refed whether the retry keeps the process alive */
  failed(error: Error, refed: boolean): void {
    const isFirst = this.#timer === undefined;
    this.stop();
    this.#timer = setTimeout(this.#retry, retryInterval);
    if (!refed) this.#timer.unref();
    if (isFirst) this.#report(error);
  }

  /** A wait ended as it should: the next failure is a new one. */
  succeeded(): void {
    if (this.#timer) this.stop();
    this.#timer = undefined;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
