import { Worker } from 'node:worker_threads';

/** Gives a number from 0 to below a bound; see test/support/traffic.ts. */
export type Pick = (below: number) => number;

export interface FuzzResult {
  cases: number;
  /** How the honest side fared, and how often. */
  outcomes: Record<string, number>;
}

/** One of a list. */
export function oneOf<T>(list: readonly T[], pick: Pick): T {
  return list[pick(list.length)]!;
}

export class Tally {
  readonly outcomes: Record<string, number> = {};

  count(outcome: string): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
  }
}

/**
 * Kills the process where a case does not end: a loop without end in this thread could not be
 * noticed by the thread itself. `beat` says that one has ended.
 */
export class Watchdog {
  readonly #beats = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;

  constructor(seconds = 30) {
    this.#worker = new Worker(
      `const { beats, seconds } = require('node:worker_threads').workerData;
       let last = -1;
       setInterval(() => {
         const now = Atomics.load(beats, 0);
         if (now === last) {
           require('node:fs').writeSync(2, 'case ' + Atomics.load(beats, 1) + ' does not end\\n');
           process.kill(process.pid, 'SIGKILL');
         }
         last = now;
       }, seconds * 1000)`,
      { eval: true, workerData: { beats: this.#beats, seconds } },
    );
    this.#worker.unref();
  }

  /** No case is under way any more. */
  stop(): void {
    void this.#worker.terminate();
  }

  beat(number: number): void {
    this.#beats[0]!++;
    this.#beats[1] = number;
  }
}

/** Runs cases one after the other, each made from its number alone. */
export function runCases(from: number, to: number, one: (number: number) => string): FuzzResult {
  const watchdog = new Watchdog();
  const tally = new Tally();
  try {
    for (let number = from; number < to; number++) {
      watchdog.beat(number);
      try {
        tally.count(one(number));
      } catch (cause) {
        throw new Error(`case ${number}`, { cause });
      }
    }
  } finally {
    watchdog.stop();
  }
  return { cases: to - from, outcomes: tally.outcomes };
}
