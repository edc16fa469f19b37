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
  #messages: Held[] = [];
  #bytes = 0;
  #isPaused = false;

  /**
   * @param capacity bytes of messages that are held; then no more are taken in
   * @param pause stops and resumes what comes in
   */
  constructor(capacity: number, pause: (paused: boolean) => void) {
    this.#capacity = capacity;
    this.#pause = pause;
  }

  /** Messages. */
  get size(): number {
    return this.#messages.length;
  }

  add(value: unknown, from: string, bytes: number): void {
    this.#messages.push({ value, from, bytes });
    this.#bytes += bytes;
    if (this.#bytes < this.#capacity || this.#isPaused) return;
    this.#isPaused = true;
    this.#pause(true);
  }

  /** @param deliver hands one out; false: no more for now. What it throws is thrown */
  release(deliver: (value: unknown, from: string) => boolean): void {
    let wantsMore = true;
    let isOver = false;
    try {
      while (wantsMore && this.#messages.length > 0) {
        const { value, from, bytes } = this.#messages.shift()!;
        this.#bytes -= bytes;
        wantsMore = deliver(value, from);
      }
      isOver = true;
    } finally {
      // A listener threw: the rest comes in the next turn.
      if (!isOver) nextTurn(() => this.release(deliver));
    }
    if (!wantsMore || !this.#isPaused) return;
    this.#isPaused = false;
    this.#pause(false);
  }
}
