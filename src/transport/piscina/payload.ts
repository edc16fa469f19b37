import { ShmError } from '../../errors.js';
import type { PayloadEntry } from './arena-core.js';
import { watchForgotten } from './forgotten.js';

const resolved = Promise.resolve();

/** Most payloads are given to a task at once, and those need no watching. */
const watch = watchForgotten<PayloadEntry>(
  entry => {
    if (entry.released) return;
    entry.core.leaks++;
    entry.release();
  },
  ({ released, uses, keep }) => !released && (uses === 0 || keep),
  callback => void resolved.then(callback), // a tenth of queueMicrotask's cost
);

/** The bytes keep their payload alive. */
const owners = new WeakMap<ArrayBufferLike, Payload>();

/** @internal What lies behind a payload; undefined for anything else. */
export let entryOf: (value: object) => PayloadEntry | undefined;

/** Structured cloning reads own properties, and so finds this one. */
const refusal: PropertyDescriptor = {
  enumerable: true,
  get() {
    const detail =
      'expected a payload to be sent by runWithPayloads(pool, task), alone or in items of arrays, ' +
      'Maps and Sets and properties of objects; got another way, which would clone it';
    throw new ShmError('ERR_INVALID_ARG', detail, 'payload.clone');
  },
};

/**
 * Bytes in the arena, to be passed to `runWithPayloads`, alone or anywhere inside a task. They
 * arrive there as a view of the same memory, of the kind that was shared. Everything else that
 * would clone it, `pool.run` included, throws.
 *
 * It is given away with its task: when that has settled, the bytes can be used for others and this
 * object has no more use. With `keep` it stays, for more tasks. Without a task it is yours until
 * `release()`; a forgotten one comes back when it is collected.
 */
export class Payload {
  readonly #entry: PayloadEntry;
  #bytes: Uint8Array<ArrayBuffer> | undefined;

  static {
    entryOf = value => (#entry in value ? value.#entry : undefined);
  }

  /** @internal */
  constructor(entry: PayloadEntry) {
    this.#entry = entry;
    Object.defineProperty(this, 'runWithPayloads', refusal);
    if (entry.block) watch(this, entry);
  }

  /** Bytes. */
  get length(): number {
    return this.#entry.length;
  }

  /** Whether it is of no more use: it was released, or its task has settled. */
  get released(): boolean {
    return this.#entry.released;
  }

  /**
   * The bytes, to be filled or read in place. When the payload is released they are detached:
   * every view of them then has a length of 0, and its methods throw.
   *
   * @throws {ShmError} `ERR_RELEASED`
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    const { core, data, block, length, released } = this.#entry;
    if (released) throw core.error('ERR_RELEASED', 'it was released', 'payload.bytes');
    if (this.#bytes) return this.#bytes;
    if (data || length === 0) return (this.#bytes = data ?? new Uint8Array(0));
    const buffer = core.region.piece(block!.offset, length);
    owners.set(buffer, this);
    this.#entry.view = new WeakRef(buffer);
    return (this.#bytes = new Uint8Array(buffer));
  }

  /**
   * Gives the bytes back; where a task still has them, when that has settled. A second call does
   * nothing.
   */
  release(): void {
    this.#bytes = undefined;
    if (!this.released) this.#entry.release();
  }

  /** The same as `release()`, for `using`. */
  [Symbol.dispose](): void {
    this.release();
  }
}
