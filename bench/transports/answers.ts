/** Turns an event that answers a request into a promise; one request at a time. */
export class Answers<T> {
  #resolve: ((value: T) => void) | undefined;
  #reject: ((reason: Error) => void) | undefined;

  /** To be called before the request is sent. */
  next(): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** The event's listener. */
  readonly give = (value: T): void => this.#resolve?.(value);

  readonly fail = (reason: Error): void => this.#reject?.(reason);
}

/** The same for a request with `count` answers. */
export class AllAnswers<T> extends Answers<T[]> {
  #values: T[] = [];

  constructor(readonly count: number) {
    super();
  }

  readonly giveOne = (value: T): void => {
    this.#values.push(value);
    if (this.#values.length < this.count) return;
    this.give(this.#values);
    this.#values = [];
  };
}
