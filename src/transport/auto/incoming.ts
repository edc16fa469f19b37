import { nextTick, setImmediate } from '../../timers.js';
import type { ListenerScope } from '../ring/listener-scope.js';
import { WaitRetry } from '../ring/wait-retry.js';
import { debug } from './debug.js';
import type { Internals, IpcTarget } from './node-ipc.js';
import { capacity, type ReadState, type SharedRings } from './shared-rings.js';
import type { TrafficEnd } from './traffic-end.js';

/**
 * Bytes handed out in one go, about what Node reads from a socket at once. Not less than the ring
 * holds: what Node read from the socket behind `switch` is about to be handed out as well, and what
 * stood in the ring by then comes before it.
 */
const batchBytes = capacity;

/**
 * What one end receives. While the other end uses the ring, messages are read there; what it sent
 * by the socket before, and what it sends there after the record `back`, comes to Node as usual.
 */
export class Incoming {
  readonly #target: IpcTarget;
  readonly #internals: Internals;
  readonly #scope: ListenerScope;
  readonly #rings: SharedRings;
  readonly #broken: () => void;
  /** Whether the next message is in the ring. */
  #isInRing = false;
  /** Messages that were read, and wait for their ticks. */
  #collected = 0;
  readonly #retry = new WaitRetry(
    () => this.#await(),
    error => debug('looks from time to time: %s', error.message),
  );

  /** @param broken called where the other end has made its ring unreadable: nothing can come any more */
  constructor({ target, internals, scope }: TrafficEnd, rings: SharedRings, broken: () => void) {
    this.#broken = broken;
    this.#target = target;
    this.#internals = internals;
    this.#scope = scope;
    this.#rings = rings;
  }

  /** The other end has said over the socket that it goes on in the ring. */
  switched(): void {
    this.#isInRing = true;
    this.#deliver();
  }

  /** There is something in the ring, or its end, or an error. */
  inputCame(error?: NodeJS.ErrnoException, temporary = false): void {
    if (temporary) {
      this.#retry.failed(error!, false);
    } else if (error) {
      // The end of the socket reports a peer that has died.
      debug('reads no more: %s', error.message);
      if (error.code === 'ERR_CORRUPT' || this.#rings.isBroken) this.#broken();
    } else {
      this.#retry.succeeded();
      this.#deliverInTick();
    }
  }

  /** In a tick, as Node does: a listener that throws neither delays microtasks nor hurries them. */
  #deliverInTick(): void {
    this.#scope.run(() => nextTick(() => this.#deliver()));
  }

  #await(): void {
    if (this.#isInRing && !this.#rings.closed) this.#rings.awaitInput();
  }

  #deliverSoon(): void {
    setImmediate(() => this.#deliverInTick());
  }

  /** Emits what is in the ring, as Node does with what it has read at once: within one tick. */
  #deliver(): void {
    const rings = this.#rings;
    if (rings.closed || !this.#isInRing) return;
    // A tick that was asked for before: those that were collected meanwhile come first.
    if (this.#collected > 0) return nextTick(() => this.#deliver());
    let state: ReadState;
    try {
      state = rings.read(this.#emit, batchBytes);
    } catch (error) {
      if (rings.isBroken) return this.#breakOff(error as Error);
      // A listener threw: the next messages come at once, as those of Node do.
      nextTick(() => this.#deliver());
      throw error;
    }
    if (state === 'back') this.#isInRing = false;
    else if (state === 'more') this.#deliverSoon();
    else if (!rings.closed && !rings.input.ended) this.#await();
  }

  /**
   * Has what is in the ring emitted in ticks of its own, before those of whatever calls this. No
   * function of the user runs here.
   */
  collect(): void {
    if (this.#isInRing && this.#read().state === 'more') this.#deliverSoon();
  }

  /**
   * The same at the end, with all that is there: nothing else will come by the socket. A peer that
   * has only closed its socket could go on filling its ring: what a ring holds is all that is taken.
   *
   * @returns whether there was anything
   */
  collectRest(): boolean {
    let isAny = false;
    const { taken } = this.#rings;
    for (;;) {
      const { state, count } = this.#read();
      if (count > 0) isAny = true;
      if (state === 'empty' || this.#rings.taken - taken > this.#rings.capacity) return isAny;
    }
  }

  #read(): { state: ReadState; count: number } {
    const rings = this.#rings;
    let count = 0;
    let state: ReadState = 'empty';
    if (rings.closed) return { state, count };
    try {
      state = rings.read(message => {
        count++;
        this.#collected++;
        nextTick(this.#emitCollected, message);
      });
    } catch (error) {
      if (rings.isBroken) {
        this.#breakOff(error as Error);
        return { state, count };
      }
      // What has no JSON is refused by its reader; everything else would be a fault of the peer.
      debug('cannot read: %s', (error as Error).message);
      nextTick(() => {
        throw error as Error;
      });
      state = (error as { code?: unknown }).code === undefined ? 'more' : 'empty';
    }
    if (state === 'back') this.#isInRing = false;
    return { state, count };
  }

  readonly #emitCollected = (message: unknown): void => {
    this.#collected--;
    this.#emit(message);
  };

  #breakOff(error: Error): void {
    debug('reads no more: %s', error.message);
    this.#broken();
  }

  /** As Node emits a message that came by the socket. */
  readonly #emit = (message: unknown): void => {
    const target = this.#target;
    const pending = this.#internals.pending();
    if (pending && (pending.length > 0 || target.listenerCount('message') === 0)) {
      pending.push(['message', message, undefined]);
    } else {
      target.emit('message', message, undefined);
    }
  };
}
