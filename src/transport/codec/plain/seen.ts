/** Objects up to here are compared one by one with those seen before: a map costs more to make. */
const maxCompared = 32;

/** The objects of a message, in the order in which they came. */
export class SeenObjects {
  /** An object stands at several places. */
  hasRepeats = false;
  readonly #few: (object | undefined)[] = [];
  #count = 0;
  #many: Map<object, number> | undefined;

  /** Which of the objects it is; -1: it is a new one. */
  see(value: object): number {
    const few = this.#few;
    if (this.#many) {
      const index = this.#many.get(value);
      if (index !== undefined) return index;
      this.#many.set(value, this.#many.size);
      return -1;
    }
    const count = this.#count;
    for (let i = 0; i < count; i++) if (few[i] === value) return i;
    few[count] = value;
    this.#count++;
    if (count === maxCompared) this.#many = new Map(few.map((other, i) => [other!, i]));
    return -1;
  }

  all(): Iterable<object | undefined> {
    return this.#many?.keys() ?? this.#few.slice(0, this.#count);
  }

  /** Cutting the array off would cost a tenth of a small message. */
  forget(): void {
    for (let i = 0; i < this.#count; i++) this.#few[i] = undefined;
    this.#count = 0;
    this.#many = undefined;
    this.hasRepeats = false;
  }
}
