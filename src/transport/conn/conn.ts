import type { AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import { ShmError } from '../../errors.js';
import { aBoolean, notConstructed, type Rule } from '../../native/arguments.js';
import { clearTimeout, nextTick, setTimeout } from '../../timers.js';
import type { Link } from '../link/handshake.js';
import { ListenerScope, nextTurn } from '../ring/listener-scope.js';
import {
  checkFunction,
  checkHighWaterMark,
  checkMilliseconds,
  defaultHighWaterMark,
} from './net-arguments.js';
import type { Carrier } from './carrier.js';
import type { ConnStart } from './conn-start.js';
import { checkOnRead, type OnRead, ReadTarget } from './onread.js';
import { PeerLoss, type WriteDone } from './peer-loss.js';
import { SharedCarrier } from './shared-carrier.js';
import { SocketCarrier } from './socket-carrier.js';
import type { StreamRings } from './stream-rings.js';
import { isTlsAlert } from './tls-alert.js';

/** What both {@link listen} and {@link dial} take for their connections. */
export interface ConnOptions {
  /** Keep the writing half when the peer ends its own. @default false */
  allowHalfOpen?: boolean;
  /** Bytes that wait on either side before `write` returns false or reading stops. @default 65536 */
  highWaterMark?: number;
  /** Read into memory of one's own. @default undefined: the stream gives the data */
  onread?: OnRead<Conn>;
}

export const connRules = {
  allowHalfOpen: aBoolean,
  highWaterMark: checkHighWaterMark,
  onread: (operation, _name, value) => checkOnRead(operation, value as OnRead<Conn>),
} satisfies Record<keyof ConnOptions, Rule>;

/**
 * A connection: a stream of bytes each way, used like a `net.Socket`. Its bytes go through
 * shared memory; where the two sides cannot share any, through the socket that they met by,
 * and {@link fallbackReason} says why.
 *
 * - What was written before the peer ended or was destroyed arrives, then `end`. Where the
 *   peer was killed, everything that it had written arrives first, however late it is read; then
 *   there is an `error` with `ECONNRESET`.
 * - Writing to a peer that is gone is an `error` with `EPIPE`; it too comes after what is unread.
 *   Only the goodbye of TLS, an alert, may miss its peer without an error, as over a `net.Socket`.
 * - Between two chunks, and before `end` and `close`, microtasks and ticks have run.
 * - Listeners run in the async context that the connection was made in. One that throws does no
 *   harm to the connection, where the process goes on.
 * - `close` comes last, with whether there was an error. Examples: {@link dial}, {@link listen}.
 */
export class Conn extends Duplex {
  /** What its bytes go through. */
  readonly transport: 'shared-memory' | 'socket';
  /** Why it goes over the socket; undefined where it does not. */
  readonly fallbackReason: string | undefined;
  /** The peer, as of `net.Socket`: undefined over a Unix socket. */
  readonly remoteAddress: string | undefined;
  /** As `remoteAddress`. */
  readonly remotePort: number | undefined;
  /** As `remoteAddress`. */
  readonly remoteFamily: string | undefined;
  /** This end, as of `net.Socket`: undefined over a Unix socket. */
  readonly localAddress: string | undefined;
  /** As `localAddress`. */
  readonly localPort: number | undefined;
  /** As `localAddress`. */
  readonly localFamily: string | undefined;
  /** It is connected from the beginning, and so emits neither 'connect' nor 'ready'. */
  readonly connecting = false;
  /** Milliseconds, as set by {@link setTimeout}. */
  timeout: number | undefined = undefined;
  /** Bytes handed to the reader or waiting for it. */
  bytesRead = 0;
  readonly #scope = new ListenerScope('MMAP_CONN');
  readonly #carrier: Carrier;
  readonly #address: AddressInfo | object;
  readonly #closed: () => void;
  /** Chunks go into memory of the user's, past the stream. */
  readonly #readsInto: boolean;
  #dispatched = 0;
  #timer: NodeJS.Timeout | undefined;
  #reset = false;
  /** It begins to read in the next turn, unless it is paused by then. */
  #isStarting = false;
  readonly #loss = new PeerLoss(
    this,
    this.#scope,
    () => this.#isStarting || this.#carrier.isBehind,
  );
  #hasEnded = false;
  #destroysOnFinish = false;

  /** @internal Use {@link listen} and {@link dial}. */
  static make(link: Link<StreamRings>, options: ConnOptions, start: ConnStart): Conn {
    return new Conn(link, options, start);
  }

  private constructor(link: Link<StreamRings>, options: ConnOptions, start: ConnStart) {
    if (!start) notConstructed('Conn', 'dial(address) or listen(address)');
    const { onread, highWaterMark = defaultHighWaterMark } = options;
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
    this.#closed = start.closed;
    this.#readsInto = onread !== undefined;
    this.#carrier.start({
      scope: this.#scope,
      target: onread && new ReadTarget<Conn>(this, onread),
      push: chunk => {
        this.bytesRead += chunk.length;
        return this.push(chunk);
      },
      end: () => {
        this.#loss.ended();
        this.push(null);
        // Where nothing is left to read, a connection that nothing reads still learns of the end.
        this.read(0);
      },
      lose: error => this.#loss.lost(error),
      // Pushed back, not made anew: this is on the path of every chunk.
      active: () => void this.#timer?.refresh(),
      fail: error => this.destroy(error),
    });
    // The peer's end must be noticed even when nothing reads; a buffer's worth waits meanwhile.
    if (start.reads === 'paused') {
      this.pause();
    } else if (start.reads === 'now' && !this.#readsInto) {
      this.read(0);
    } else {
      this.#isStarting = true;
      nextTurn(() => {
        this.#isStarting = false;
        if (this.destroyed) return;
        if (!this.isPaused()) this.read(0);
        this.#loss.recheck();
      });
    }
  }

  /** Bytes written so far, those that wait included. */
  get bytesWritten(): number {
    return this.#dispatched + this.writableLength;
  }

  /** @deprecated As of `net.Socket`: `writableLength` says the same. */
  get bufferSize(): number {
    return this.writableLength;
  }

  /** As of `net.Socket`, which is no longer connected once it is destroyed. */
  get pending(): boolean {
    return this.destroyed;
  }

  /** As of `net.Socket`: which halves are open. */
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
   * Has `timeout` emitted when nothing was read or written for that long. The connection
   * stays open.
   *
   * @param timeout milliseconds; 0: never
   * @param callback added as a one-time listener; taken away where `timeout` is 0
   * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, {RangeError} `ERR_OUT_OF_RANGE`, as `net.Socket`
   */
  setTimeout(timeout: number, callback?: () => void): this {
    if (this.destroyed) return this;
    const milliseconds = checkMilliseconds('timeout', timeout);
    if (callback !== undefined) checkFunction('callback', callback);
    this.timeout = timeout;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (milliseconds > 0) {
      const tell = () => this.#scope.run(() => this.emit('timeout'));
      this.#timer = setTimeout(tell, milliseconds).unref();
    }
    if (callback) {
      if (milliseconds > 0) this.once('timeout', callback);
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

  /** While it reads or writes, the connection keeps the process alive; the default. */
  ref(): this {
    this.#carrier.ref();
    return this;
  }

  /** The connection no longer keeps the process alive. */
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

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as the stream declares it
  override read(size?: number): any {
    const chunk: unknown = super.read(size);
    this.#loss.read();
    return chunk;
  }

  /** As of `net.Socket`. False: more waits than `highWaterMark`; `drain` follows. */
  override write(
    chunk: unknown,
    encoding?: BufferEncoding | ((error?: Error | null) => void),
    callback?: (error?: Error | null) => void,
  ): boolean {
    if (this.readableEnded && this.writableEnded && !this.allowHalfOpen) {
      return this.#refuseWrite(chunk, typeof encoding === 'function' ? encoding : callback);
    }
    return super.write(chunk, encoding as BufferEncoding, callback);
  }

  /** Ends, and destroys once all is written. */
  destroySoon(): void {
    if (this.writable) this.end();
    this.#destroysOnFinish = true;
    if (this.writableFinished) this.destroy();
    else if (this.#hasEnded) nextTick(() => this.destroy());
  }

  /** Destroys at once; the peer sees `ECONNRESET` after what was written. */
  resetAndDestroy(): this {
    this.#reset = true;
    return this.destroy();
  }

  override _write(chunk: Buffer, _encoding: string, done: WriteDone): void {
    this.#send([chunk], chunk.length, done);
  }

  override _writev(items: { chunk: Buffer; encoding: string }[], done: WriteDone): void {
    const length = items.reduce((sum, { chunk }) => sum + chunk.length, 0);
    const chunks = items.map(({ chunk }) => chunk);
    this.#send(chunks, length, done);
  }

  override _final(done: WriteDone): void {
    this.#carrier.end(error => {
      done(error);
      this.#hasEnded = true;
      // 'finish' comes in a tick of its own, before this one.
      if (this.#destroysOnFinish) nextTick(() => this.destroy());
    });
  }

  override _read(): void {
    this.#carrier.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#carrier.close(this.#reset, () => {
      this.#closed();
      this.#scope.run(() => this.emit('close', error !== null));
    });
    done(error);
    this.#loss.destroyed();
  }

  #send(chunks: Buffer[], length: number, done: WriteDone): void {
    this.#carrier.write(chunks, error => {
      if (!error) this.#dispatched += length;
      if (error) this.#loss.writeFailed(error, done);
      else done();
    });
  }

  /** As a `net.Socket` that has ended because its peer has. */
  #refuseWrite(chunk: unknown, callback: WriteDone | undefined): false {
    const error = new ShmError('EPIPE', 'the peer has ended the connection', 'conn.write');
    const isGoodbye = isTlsAlert([chunk]);
    if (typeof callback === 'function') nextTick(callback, isGoodbye ? undefined : error);
    if (!isGoodbye) this.destroy(error);
    return false;
  }
}
