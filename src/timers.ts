import { performance } from 'node:perf_hooks';
import timers from 'node:timers';

/*
 * Node's timers and clocks as they were when this module was loaded.
 *
 * Test runners replace the global ones by fake ones (node:test, Jest, vitest, sinon), which stand
 * still until a test moves them on. Messages have to go on meanwhile: nothing in src/ uses a timer
 * or a clock from anywhere else, which the linter checks.
 */

export const {
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
  clearImmediate,
}: Pick<
  typeof globalThis,
  | 'setTimeout'
  | 'clearTimeout'
  | 'setInterval'
  | 'clearInterval'
  | 'setImmediate'
  | 'clearImmediate'
> = timers;

export const queueMicrotask = globalThis.queueMicrotask;

export const nextTick: typeof process.nextTick = process.nextTick.bind(process);

/** Milliseconds since the process began, with fractions. */
export const now: () => number = performance.now.bind(performance);

/**
 * Milliseconds since 1970 by the machine's clock, which may be set forward and back: only for
 * comparing with the times of files.
 */
export const wallClock: () => number = Date.now.bind(Date);

/** Node's timers cannot wait this many milliseconds or more: there is no limit then. */
export const timerLimit = 2 ** 31;

/**
 * @param milliseconds how long to wait
 * @param options.ref whether the wait keeps the process alive. @default true
 */
export function delay(milliseconds: number, { ref = true } = {}): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, milliseconds);
    if (!ref) timer.unref();
  });
}

/**
 * Runs an action that has limited time.
 *
 * @param milliseconds the limit, Infinity for none
 * @param action gets a promise that resolves when the time is over; it never rejects
 */
export async function withTimeLimit<T>(
  milliseconds: number,
  action: (late: Promise<void>) => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>(resolve => {
    if (milliseconds < timerLimit) timer = setTimeout(resolve, milliseconds);
  });
  try {
    return await action(late);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A limit on how long something may take: by time, by an AbortSignal, or both. Calls back at most
 * once, and never after {@link clear}.
 */
export class Limit {
  readonly #signal: AbortSignal | undefined;
  readonly #aborted: (reason: Error) => void;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param timeout milliseconds, Infinity for none
   * @param late called when the time is over
   * @param aborted called with the signal's reason; within the constructor where it has aborted already
   */
  constructor(
    timeout: number,
    signal: AbortSignal | undefined,
    late: () => void,
    aborted: (reason: Error) => void,
  ) {
    this.#signal = signal;
    this.#aborted = aborted;
    if (signal?.aborted) {
      this.#abort();
      return;
    }
    if (timeout < timerLimit) {
      this.#timer = setTimeout(() => {
        this.clear();
        late();
      }, timeout);
    }
    signal?.addEventListener('abort', this.#abort);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#abort);
  }

  readonly #abort = (): void => {
    this.clear();
    this.#aborted(this.#signal!.reason as Error);
  };
}
