import { nextTurn } from '../ring/listener-scope.js';

interface Held {
  readonly value: unknown;
  readonly from: string;
  readonly bytes: number;
}

/**
 * Messages that came while nobody listened. They stay, up to a bound: requests that stand behind
 * them have to be answered meanwhile.
 */
export class HeldMessages {
  readonly #capacity: number;
  readonly #pause: (paused: boolean) => void;
  readonly #isWanted: () => boolean;
  #messages: Held[] = [];
  /** How many of them have been handed out. */
  #taken = 0;
  #bytes = 0;
  #isPaused = false;

  /**
   * @param capacity bytes of messages that are held; then no more are taken in
   * @param pause stops and resumes what comes in
   * @param isWanted whether somebody listens
   */
  constructor(capacity: number, pause: (paused: boolean) => void, isWanted: () => boolean) {
    this.#capacity = capacity;
    this.#pause = pause;
    this.#isWanted = isWanted;
  }

  /** Messages. */
  get size(): number {
    return this.#messages.length - this.#taken;
  }

  /** @returns the bytes */
  add(value: unknown, from: string, bytes: number): number {
    this.#messages.push({ value, from, bytes });
    this.#bytes += bytes;
    if (this.#bytes >= this.#capacity && !this.#isPaused) {
      this.#isPaused = true;
      this.#pause(true);
    }
    return bytes;
  }

  /** @param deliver hands one out, as long as somebody listens. What it throws is thrown */
  release(deliver: (value: unknown, from: string) => void): void {
    let isOver = false;
    try {
      while (this.size > 0 && this.#isWanted()) {
        const { value, from } = this.#take();
        deliver(value, from);
      }
      isOver = true;
    } finally {
      // A listener threw: the rest comes in the next turn.
      if (!isOver) nextTurn(() => this.release(deliver));
    }
    if (!this.#isPaused || this.size > 0 || !this.#isWanted()) return;
    this.#isPaused = false;
    this.#pause(false);
  }

  #take(): Held {
    const held = this.#messages[this.#taken]!;
    this.#messages[this.#taken++] = { value: undefined, from: '', bytes: 0 };
    this.#bytes -= held.bytes;
    // Now and then, so that each costs the same however many there are.
    if (2 * this.#taken >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#taken);
      this.#taken = 0;
    }
    return held;
  }
}
