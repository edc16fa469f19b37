import type { Readable } from 'node:stream';
import { types } from 'node:util';
import { invalidArgument } from '../../errors.js';
import type { Target } from './carrier.js';

/**
 * Where a connection puts what comes in, instead of into a new Buffer for each chunk; the
 * `onread` of `net.connect`. The stream gives no data then, only `end`, `error` and `close`.
 *
 * For large amounts it is the fastest way: memory that was just used is in the processor's
 * caches, a new Buffer is not.
 *
 * Either function may throw: after an 'uncaughtException' that was handled the connection goes
 * on. What the callback was called with counts as read; if `buffer` throws, nothing was read, and
 * it is called again in the next turn of the event loop.
 *
 * @typeParam C the connection, `this` of both functions
 */
export interface OnRead<C = unknown> {
  /** Memory that is used again and again, by several connections if need be; or what gives it. */
  buffer: Uint8Array | ((this: C) => Uint8Array);
  /**
   * Called for each chunk, which lies at the beginning of `buffer` and may be overwritten
   * afterwards. False pauses the connection until `resume()`.
   */
  callback(this: C, bytesWritten: number, buffer: Uint8Array): unknown;
}

/** @throws {ShmError} `ERR_INVALID_ARG` */
export function checkOnRead<C>(operation: string, onread: OnRead<C> | undefined): void {
  if (onread === undefined) return;
  if (typeof onread !== 'object' || onread === null || typeof onread.callback !== 'function') {
    throw invalidArgument(operation, 'onread', '{ buffer, callback }', onread);
  }
  const { buffer } = onread;
  if (typeof buffer !== 'function' && !isUsableBuffer(buffer)) throw noMemory(operation, buffer);
}

function isUsableBuffer(value: unknown): value is Uint8Array {
  return types.isUint8Array(value) && value.length > 0;
}

function noMemory(operation: string, got: unknown): Error {
  return invalidArgument(operation, 'onread.buffer', 'a Uint8Array that is not empty', got);
}

/** What is asked of a connection here. */
interface Reader extends Readable {
  bytesRead: number;
}

/** One connection's use of its {@link OnRead}. */
export class ReadTarget<C extends Reader> implements Target {
  readonly #conn: C;
  readonly #onread: OnRead<C>;
  #memory: Uint8Array | undefined;

  constructor(conn: C, onread: OnRead<C>) {
    this.#conn = conn;
    this.#onread = onread;
  }

  /** Undefined where the user's function gave none: the connection is destroyed then. */
  memory(): Uint8Array | undefined {
    const { buffer } = this.#onread;
    if (typeof buffer !== 'function') return buffer;
    if (this.#memory) return this.#memory;
    const given: unknown = buffer.call(this.#conn);
    if (isUsableBuffer(given)) return (this.#memory = given);
    this.#conn.destroy(noMemory('conn.read', given));
    return undefined;
  }

  filled(count: number): void {
    const memory = this.memory()!;
    this.#memory = undefined;
    this.#conn.bytesRead += count;
    if (this.#onread.callback.call(this.#conn, count, memory) === false) this.#conn.pause();
  }
}
