/**
 * What arrives, one after the other, as `for await` takes it; what comes between two turns of the
 * loop waits. It has no listener that a user could remove or count, and no `error` ends it.
 */
export class Arrivals<T> implements AsyncIterableIterator<T> {
  readonly #over: (arrivals: Arrivals<T>) => void;
  #arrived: T[] = [];
  #waiting: ((result: IteratorResult<T, undefined>) => void)[] = [];
  #isOver = false;

  /** @param over called when the loop is left: nothing needs to be added any more */
  constructor(over: (arrivals: Arrivals<T>) => void) {
    this.#over = over;
  }

  add(value: T): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting({ done: false, value });
    else this.#arrived.push(value);
  }

  /** Nothing more will come; what has come is still handed out. */
  end(): void {
    this.#isOver = true;
    for (const resolve of this.#waiting.splice(0)) resolve({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#arrived.length > 0) {
      return Promise.resolve({ done: false, value: this.#arrived.shift()! });
    }
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#arrived = [];
    this.end();
    this.#over(this);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
