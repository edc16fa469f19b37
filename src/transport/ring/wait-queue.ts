import { anAbortSignal, checkOptions, type Rule } from '../../native/arguments.js';
import { Limit } from '../../timers.js';
import { LoopWaiter, type Sleeper } from './loop-waiter.js';
import { aTimeout } from './option-rules.js';

/** How long {@link Producer.write} and {@link Consumer.read} wait. */
export interface WaitOptions {
  /** Gives up and rejects with the signal's reason; nothing has been read or written then. */
  signal?: AbortSignal;
  /** Milliseconds after which to give up. @default no limit */
  timeout?: number;
}

const rules = { signal: anAbortSignal, timeout: aTimeout } satisfies Record<
  keyof WaitOptions,
  Rule
>;

const none: WaitOptions = {};

interface Waiter<T> {
  /** Undefined: not yet. */
  attempt: () => T | undefined;
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

/**
 * Asynchronous reads or writes of one side, served in the order they came, as far as the
 * ring allows; the loop waits for the rest.
 */
export class WaitQueue<T> {
  readonly #operation: string;
  readonly #waiter: LoopWaiter;
  readonly #queue: Waiter<T>[] = [];

  /** @param ready whether the first of the queue may succeed now */
  constructor(role: Sleeper, operation: string, ready: () => boolean) {
    this.#operation = operation;
    this.#waiter = new LoopWaiter(role, ready, error => {
      if (error) this.fail(error);
      else this.#serve();
    });
  }

  /**
   * @param attempt does it, or says undefined where it cannot be done yet
   * @param late what to resolve with when the time ran out
   */
  add(attempt: () => T | undefined, late: T, options: WaitOptions = none): Promise<T> {
    if (options !== none) checkOptions(this.#operation, options, rules);
    const { signal, timeout = Number.POSITIVE_INFINITY } = options;
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted();
      const value = this.#queue.length === 0 ? attempt() : undefined;
      if (value !== undefined) return resolve(value);
      if (timeout === 0) return resolve(late);

      const request: Waiter<T> = {
        attempt,
        resolve: value => (limit.clear(), resolve(value)),
        reject: error => (limit.clear(), reject(error)),
      };
      const leave = (settle: () => void) => {
        this.#remove(request);
        settle();
      };
      const limit = new Limit(
        timeout,
        signal,
        () => leave(() => resolve(late)),
        reason => leave(() => reject(reason)),
      );
      this.#queue.push(request);
      this.#waiter.start();
    });
  }

  /** Rejects everything that waits. */
  fail(error: Error): void {
    this.#waiter.stop();
    for (const request of this.#queue.splice(0)) request.reject(error);
  }

  close(error: Error): void {
    this.fail(error);
    this.#waiter.close();
  }

  #serve(): void {
    while (this.#queue.length > 0) {
      const request = this.#queue[0]!;
      let value: T | undefined;
      try {
        value = request.attempt();
      } catch (error) {
        this.#queue.shift();
        request.reject(error as Error);
        continue;
      }
      if (value === undefined) return this.#waiter.start();
      this.#queue.shift();
      request.resolve(value);
    }
  }

  #remove(request: Waiter<T>): void {
    const at = this.#queue.indexOf(request);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    if (at > 0) return;
    // The next one may need less than the first did, and then need not wait.
    this.#waiter.stop();
    this.#serve();
  }
}
