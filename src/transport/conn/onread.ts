import type { Readable } from 'node:stream';
import { invalidArgument } from '../../errors.js';
import type { Target } from './carrier.js';

/**
 * Where a connection puts what comes in, instead of into a new Buffer for each chunk; the
 * `onread` of `net.connect`. The stream gives no data then, only `end`, `error` and `close`.
 *
 * For large amounts it is the fastest way: memory that was just used is in the processor's
 * caches, a new Buffer is not.
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
  if (typeof onread.buffer !== 'function') checkMemory(operation, onread.buffer);
}

function checkMemory(operation: string, memory: unknown): Uint8Array {
  if (memory instanceof Uint8Array && memory.length > 0) return memory;
  throw invalidArgument(operation, 'onread.buffer', 'a Uint8Array that is not empty', memory);
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

  /**
   * Where the next bytes go.
   *
   * @throws {ShmError} `ERR_INVALID_ARG` where the user's function gives something else
   */
  get memory(): Uint8Array {
    const { buffer } = this.#onread;
    if (typeof buffer !== 'function') return buffer;
    return (this.#memory ??= checkMemory('conn.read', buffer.call(this.#conn)));
  }

  filled(count: number): boolean {
    const { memory } = this;
    const conn = this.#conn;
    this.#memory = undefined;
    conn.bytesRead += count;
    if (this.#onread.callback.call(conn, count, memory) === false) conn.pause();
    return !conn.isPaused() && !conn.destroyed;
  }
}
