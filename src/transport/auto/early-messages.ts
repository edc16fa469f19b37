import type { EventEmitter } from 'node:events';
import { nextTick, setTimeout } from '../../timers.js';

type Emitted = [event: string | symbol, ...values: unknown[]];

/** How long messages are held at most, in milliseconds. */
const patience = 1000;

/**
 * Messages that come to a cluster worker before its program has begun. A worker has a listener of
 * Node's own, so what comes before the program's is lost. Without a preload by `--import` the program
 * begins before anything can come; with one the event loop turns in between.
 */
export class EarlyMessages {
  readonly #emit: (args: Emitted) => void;
  #held: Emitted[] | undefined;

  /** @param emit hands out what was held */
  constructor(emit: (args: Emitted) => void) {
    this.#emit = emit;
    if (process.listenerCount('message') === 0) return;
    this.#held = [];
    const { getBuiltinModule } = process as { getBuiltinModule?: (id: string) => unknown };
    const cluster = getBuiltinModule?.('node:cluster') as { worker?: EventEmitter } | undefined;
    const added = (event: string | symbol) => {
      if (event === 'message') this.listenerAdded();
    };
    cluster?.worker?.on('newListener', added);
    setTimeout(() => {
      cluster?.worker?.off('newListener', added);
      this.#release();
    }, patience).unref();
  }

  /** Whether the event is held. */
  hold(args: Emitted): boolean {
    this.#held?.push(args);
    return this.#held !== undefined;
  }

  /** A listener for messages is being added. */
  listenerAdded(): void {
    if (this.#held) nextTick(() => this.#release());
  }

  #release(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const args of held ?? []) nextTick(() => this.#emit(args));
  }
}
