import { EventEmitter } from 'node:events';
import { queueMicrotask } from '../../timers.js';
import { ListenerScope } from './listener-scope.js';

type Add = 'on' | 'addListener' | 'prependListener';
type Remove = 'off' | 'removeListener' | 'removeAllListeners';
type Change = (this: EventEmitter, ...args: unknown[]) => EventEmitter;

/**
 * An emitter of `message` events that flow from the first listener on, and wait while there is
 * none. It watches its own methods, not 'newListener': a listener of ours could be removed by
 * `removeAllListeners`, and would be counted by `listenerCount`.
 */
export abstract class MessageEmitter<E extends Record<keyof E, unknown[]>> extends EventEmitter<E> {
  /** @internal Where its listeners run. */
  protected readonly scope: ListenerScope;
  /** @internal Somebody listens for `message`. */
  protected listening = false;
  #starting = false;

  /** @internal @param scope where its listeners run, or the name that `async_hooks` gives to a scope of its own */
  constructor(scope: ListenerScope | string) {
    super();
    this.scope = typeof scope === 'string' ? new ListenerScope(scope) : scope;
  }

  /**
   * There is a listener for `message` now; called in a later microtask, so that a listener for
   * another event can be added beside it, and in the context in which this object was made.
   *
   * @internal
   */
  protected abstract startFlow(): void;

  /**
   * Whether somebody listens for `message` has changed.
   *
   * @internal
   */
  protected listeningChanged(): void {}

  /**
   * Emits an `error` that passes by itself, and that others may have brought about: nothing to end a
   * process by that does not listen, which gets a warning.
   *
   * @internal
   */
  protected emitPassing(error: Error): void {
    const isHeard = (this as EventEmitter).listenerCount('error') > 0;
    if (isHeard) (this as EventEmitter).emit('error', error);
    else process.emitWarning(error);
  }

  #listenersChanged(): void {
    const isHeard = (this as EventEmitter).listenerCount('message') > 0;
    if (isHeard !== this.listening) {
      this.listening = isHeard;
      this.listeningChanged();
    }
    if (!this.listening || this.#starting) return;
    this.#starting = true;
    queueMicrotask(() => {
      this.#starting = false;
      if (this.listening) this.scope.run(() => this.startFlow());
    });
  }

  static {
    const watched: (Add | Remove)[] = [
      ...(['on', 'addListener', 'prependListener'] as const),
      ...(['off', 'removeListener', 'removeAllListeners'] as const),
    ];
    for (const name of watched) {
      const change = (EventEmitter.prototype as unknown as Record<string, Change>)[name]!;
      const value = function (this: MessageEmitter<never>, ...args: unknown[]) {
        change.apply(this, args);
        this.#listenersChanged();
        return this;
      };
      Object.defineProperty(this.prototype, name, { value, configurable: true, writable: true });
    }
  }
}
