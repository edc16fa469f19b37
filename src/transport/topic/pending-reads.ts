import { Limit } from '../../timers.js';
import type { WaitOptions } from '../ring/wait-queue.js';

interface Read {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Promises of readers that wait for a record. */
export class PendingReads {
  readonly #reads = new Set<Read>();

  /**
   * @param empty called when none is left
   * @returns resolves with {@link resolve}, and when the time is over
   */
  add(options: WaitOptions, empty: () => void): Promise<void> {
    const { signal, timeout = Number.POSITIVE_INFINITY } = options;
    return new Promise<void>((resolve, reject) => {
      const settle = (then: () => void) => {
        limit.clear();
        this.#reads.delete(read);
        if (this.#reads.size === 0) empty();
        then();
      };
      const read: Read = {
        resolve: () => settle(resolve),
        reject: error => settle(() => reject(error)),
      };
      const limit = new Limit(timeout, signal, read.resolve, read.reject);
      this.#reads.add(read);
    });
  }

  resolve(): void {
    for (const read of [...this.#reads]) read.resolve();
  }

  reject(error: Error): void {
    for (const read of [...this.#reads]) read.reject(error);
  }
}
