import type { AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import { outOfRange } from '../../errors.js';
import type { Link } from '../link/handshake.js';
import { timerLimit } from '../../timers.js';
import type { Carrier, CarrierHandler } from './carrier.js';
import { type OnRead, ReadTarget } from './onread.js';
import { SharedCarrier, type StreamRings } from './shared-carrier.js';
import { SocketCarrier } from './socket-carrier.js';

/**
 * Bytes that wait on either side before `write` or `push` say so: a chunk of the carrier.
 * With the 16 KiB of older versions of Node each chunk would stop the reader.
 */
const highWaterMark = 64 * 1024;

/** What both {@link listen} and {@link dial} take for their connections. */
export interface ConnOptions {
  /** Keep the writing half when the peer ends its own. @default false */
  allowHalfOpen?: boolean;
  /** Read into memory of one's own. @default undefined: the stream gives the data */
  onread?: OnRead<Conn>;
}

/**
 * A connection: a stream of bytes each way, used like a `net.Socket`. Its bytes go through
 * shared memory; where the two sides cannot share any, through the socket that they met by,
 * and {@link fallbackReason} says why.
 *
 * - What was written before the peer ended or was destroyed arrives, then `end`. Where the
 *   peer was killed, what it had written arrives, then an `error` with `ECONNRESET`.
 * - Writing to a peer that is gone is an `error` with `EPIPE`.
 * - `close` comes last, with whether there was an error.
 */
export class Conn extends Duplex {
  readonly transport: 'shared-memory' | 'socket';
  /** Why it goes over the socket; undefined where it does not. */
  readonly fallbackReason: string | undefined;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly localFamily: string | undefined;
  /** It is connected from the beginning; here for those who ask a `net.Socket`. */
  readonly connecting = false;
  readonly pending = false;
  /** Milliseconds, as set by {@link setTimeout}. */
  timeout = 0;
  /** Bytes handed to the reader or waiting for it. */
  bytesRead = 0;
  readonly #carrier: Carrier;
  readonly #address: AddressInfo | object;
  /** Chunks go into memory of the user's, past the stream. */
  readonly #readsInto: boolean;
  #dispatched = 0;
  #timer: NodeJS.Timeout | undefined;
  #reset = false;

  /** @internal Use {@link listen} and {@link dial}. */
  static make(link: Link<StreamRings>, options: ConnOptions): Conn {
    return new Conn(link, options);
  }

  private constructor(link: Link<StreamRings>, options: ConnOptions) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      emitClose: false, // it is this class that says so, with `hadError`
      decodeStrings: true,
      highWaterMark,
    });
    const { socket, region, ends } = link;
    this.#carrier = ends ? new SharedCarrier(socket, region!, ends) : new SocketCarrier(socket);
    this.transport = this.#carrier.transport;
    this.fallbackReason = link.fallbackReason;
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.remoteFamily = socket.remoteFamily;
    this.localAddress = socket.localAddress;
    this.localPort = socket.localPort;
    this.localFamily = socket.localFamily;
    this.#address = socket.address();
    const { onread } = options;
    this.#readsInto = onread !== undefined;
    const user: CarrierHandler = {
      target: onread && new ReadTarget<Conn>(this, onread),
      push: chunk => {
        if (chunk) {
          this.bytesRead += chunk.length;
          return this.push(chunk);
        }
        this.push(null);
        // Where nothing is left to read, the end is told to a connection that nobody reads.
        this.read(0);
        return false;
      },
      active: () => this.#active(),
      fail: error => this.destroy(error),
    };
    this.#carrier.start(user);
    // The peer's end is to be seen also where nobody reads; a buffer's worth waits meanwhile.
    // Memory of the user's has no such buffer: they are to have the connection first.
    if (!this.#readsInto) {
      this.read(0);
    } else {
      setImmediate(() => {
        if (!this.isPaused() && !this.destroyed) this.read(0);
      });
    }
  }

  /** Bytes written so far, those that wait included. */
  get bytesWritten(): number {
    return this.#dispatched + this.writableLength;
  }

  get readyState(): 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  /** The local end's address, as `net.Socket` says it; empty over a Unix socket. */
  address(): AddressInfo | object {
    return this.#address;
  }

  /**
   * Has `timeout` emitted when nothing was read or written for so long. The connection
   * stays open.
   *
   * @param timeout milliseconds; 0: never
   * @param callback added as a one-time listener; taken away where `timeout` is 0
   * @throws {ShmError} `ERR_OUT_OF_RANGE`
   */
  setTimeout(timeout: number, callback?: () => void): this {
    if (typeof timeout !== 'number' || !(timeout >= 0)) {
      throw outOfRange('conn.setTimeout', 'timeout', 'milliseconds of at least 0', timeout);
    }
    this.timeout = Math.min(timeout, timerLimit - 1);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (timeout > 0 && !this.destroyed) {
      this.#timer = setTimeout(() => this.emit('timeout'), this.timeout).unref();
    }
    if (callback) {
      if (timeout > 0) this.once('timeout', callback);
      else this.off('timeout', callback);
    }
    return this;
  }

  /** Has effect over a TCP socket only: in shared memory nothing is held back. */
  setNoDelay(on = true): this {
    this.#carrier.setNoDelay(on);
    return this;
  }

  /** Has effect over a TCP socket only: in shared memory the kernel tells of the peer's end. */
  setKeepAlive(on = false, initialDelay = 0): this {
    this.#carrier.setKeepAlive(on, initialDelay);
    return this;
  }

  /** The connection keeps the process alive; the default. */
  ref(): this {
    this.#carrier.ref();
    return this;
  }

  unref(): this {
    this.#carrier.unref();
    return this;
  }

  override pause(): this {
    if (this.#readsInto) this.#carrier.pause();
    return super.pause();
  }

  override resume(): this {
    super.resume();
    // Otherwise it is the stream that asks, once its own buffer is read.
    if (this.#readsInto) this.#carrier.resume();
    return this;
  }

  /** Ends, and destroys once all is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Destroys at once; the peer sees `ECONNRESET` after what was written. */
  resetAndDestroy(): this {
    this.#reset = true;
    return this.destroy();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send([chunk], chunk.length, done);
  }

  override _writev(
    items: { chunk: Buffer; encoding: string }[],
    done: (error?: Error | null) => void,
  ): void {
    const chunks = items.map(item => item.chunk);
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.#send(chunks, length, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#carrier.end(error => done(error));
  }

  override _read(): void {
    this.#carrier.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#carrier.close(this.#reset, () => {
      done(error);
      // After the error, which the stream emits in the next tick.
      process.nextTick(() => this.emit('close', error !== null));
    });
  }

  #send(chunks: Buffer[], length: number, done: (error?: Error) => void): void {
    this.#carrier.write(chunks, error => {
      if (!error) this.#dispatched += length;
      done(error);
    });
  }

  /** A timer is pushed back, not made anew: this is on the path of every chunk. */
  #active(): void {
    this.#timer?.refresh();
  }
}
