import { type Description, transferable, valueOf } from './messages.js';
import type { Holding } from './store.js';

/** Payloads that nobody can reach any more. */
const forgotten = new FinalizationRegistry<Holding>(holding => {
  if (holding.released) return;
  holding.released = true;
  holding.store.leaks++;
  if (holding.uses === 0) holding.store.drop(holding);
});

/** Payloads of this turn, most of which a task takes at once: those need no watching. */
let fresh: Payload[] = [];
const resolved = Promise.resolve();

function watchFresh(): void {
  const payloads = fresh;
  fresh = [];
  for (const payload of payloads) {
    const holding = holdingOf(payload);
    if (holding.released || (holding.uses > 0 && !holding.keep)) continue;
    forgotten.register(payload, holding);
  }
}

/** Who keeps the bytes keeps the payload. */
const owners = new WeakMap<ArrayBufferLike, Payload>();

/** What lies behind a payload. */
export let holdingOf: (payload: Payload) => Holding;

/**
 * Bytes in the arena, to be passed to `runWithPayloads` or `pool.run`, alone or anywhere
 * inside a task. There they arrive as a view of the same memory, of the kind that was
 * shared.
 *
 * It is given away with its task: when that has settled, the bytes are free for others and
 * this object is of no more use. With `keep` it stays, for more tasks. Without a task it is
 * yours until `release()`; a forgotten one comes back when it is collected.
 */
export class Payload {
  readonly #holding: Holding;
  #bytes: Uint8Array<ArrayBuffer> | undefined;

  static {
    holdingOf = payload => payload.#holding;
  }

  // An own property of each payload, since cloning reads those: the one sign that a pool
  // gives when a task goes out.
  static readonly #description: PropertyDescriptor & ThisType<Payload> = {
    enumerable: true,
    get() {
      return describeSent(this.#holding);
    },
  };

  /** @internal */
  constructor(holding: Holding) {
    this.#holding = holding;
    Object.defineProperty(this, 'mmapPayload', Payload.#description);
    if (!holding.block) return;
    if (fresh.length > 0) {
      fresh.push(this);
    } else {
      fresh = [this];
      void resolved.then(watchFresh); // a tenth of what queueMicrotask costs
    }
  }

  /** Bytes. */
  get length(): number {
    return this.#holding.length;
  }

  /** Whether it is of no more use: released, or its task has settled. */
  get released(): boolean {
    return this.#holding.released;
  }

  /**
   * The bytes, to be filled or read in place. When the payload is released they are
   * detached: every view of them has a length of 0 then, and its methods throw.
   *
   * @throws {ShmError} `ERR_RELEASED`
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    const holding = this.#holding;
    if (holding.released) {
      throw holding.store.error('ERR_RELEASED', 'this payload was released', 'payload.bytes');
    }
    return (this.#bytes ??= holding.data ?? this.#view(holding));
  }

  #view(holding: Holding): Uint8Array<ArrayBuffer> {
    if (holding.length === 0) return new Uint8Array(0);
    const buffer = holding.store.region.piece(holding.block!.offset, holding.length);
    owners.set(buffer, this);
    holding.view = new WeakRef(buffer);
    return new Uint8Array(buffer);
  }

  /**
   * Gives the bytes back; where a task still has them, when that has settled. A second call
   * does nothing.
   */
  release(): void {
    const holding = this.#holding;
    if (holding.released) return;
    holding.released = true;
    this.#bytes = undefined;
    holding.store.blind(holding);
    if (holding.uses === 0) holding.store.drop(holding);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** Piscina's own protocol, so that `Piscina.move(payload)` is the payload itself. */
  get [transferable](): object {
    return [];
  }

  get [valueOf](): object {
    return describeSent(this.#holding);
  }
}

/** What a pool gets that clones a payload right now. */
function describeSent(holding: Holding): Description {
  return holding.store.sent.describe(holding);
}
