import { AsyncResource } from 'node:async_hooks';
import { nextTick, setImmediate } from '../../timers.js';

/*
 * The one way out to a user's functions.
 *
 * What wakes a thread (a doorbell, a poll, a sweep, a socket) serves many channels and connections
 * at once, in the context of whichever began to wait first. A listener has to run in the context in
 * which its own object was made, as those of `node:net` and MessagePort do, and must be able to do
 * anything: throw, close this object or others, remove listeners, send. So every path from a wake-up
 * to a listener goes through the scope of its object, and the code around it follows three rules:
 *
 * - what it would do after a listener has returned, it does in `finally`: an exception goes straight
 *   up to Node, which emits 'uncaughtException' or ends the process before anything else runs;
 * - after a listener has returned, it looks again at whatever the listener may have changed;
 * - between two deliveries that a user can tell apart, microtasks and ticks run; see below.
 */

/** The context in which the listeners of one object run: that in which it was made. */
export class ListenerScope {
  readonly #resource: AsyncResource;

  /** @param type what `async_hooks` calls it, e.g. `MMAP_CHANNEL` */
  constructor(type: string) {
    this.#resource = new AsyncResource(type, { requireManualDestroy: true });
  }

  /** Runs a function in this context. What it throws is thrown. */
  run<A extends unknown[]>(action: (...args: A) => void, ...args: A): void {
    this.#resource.runInAsyncScope(action, undefined, ...args);
  }

  /** A function that runs in this context wherever it is called from. */
  bind<A extends unknown[]>(action: (...args: A) => void): (...args: A) => void {
    return (...args) => this.run(action, ...args);
  }
}

const settled = Promise.resolve();

/**
 * Runs an action, in the context of the caller, once the microtasks and ticks have run that are
 * waiting now, and those they add: between two chunks of a stream, so that what a listener does
 * after an `await` is done before it sees the next one. A turn of the event loop would cost a
 * microsecond or more for each chunk; this costs a fraction of that.
 */
export function afterTicks(action: () => void): void {
  // A tick alone would run before microtasks that are waiting, a microtask before ticks.
  // A promise's is cheaper than that of `queueMicrotask`, which makes an AsyncResource for each.
  void settled.then(() => nextTick(action));
}

/** The same in the next turn of the event loop: before the end of anything is reported. */
export function nextTurn(action: () => void): NodeJS.Immediate {
  return setImmediate(action);
}
