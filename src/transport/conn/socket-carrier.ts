import type { Socket } from 'node:net';
import { nextTurn } from '../ring/listener-scope.js';
import type { Carrier, CarrierHandler, Done } from './carrier.js';
import { Pacer } from './pacer.js';
import { isTlsAlert } from './tls-alert.js';

/** Where memory cannot be shared: the socket of the handshake carries the bytes. */
export class SocketCarrier implements Carrier {
  readonly transport = 'socket';
  readonly #socket: Socket;
  #conn!: CarrierHandler;
  #pacer!: Pacer;
  /** The reader takes more. */
  #wanted = false;
  #isStepping = false;
  /** What of the last chunk did not fit into the reader's own memory yet. */
  #rest: Buffer | undefined;
  /** Reports the end, or the loss, once nothing is left. */
  #conclude: (() => void) | undefined;
  #refed = true;
  #closed = false;
  /** What is being written may be missed by a peer that has gone. */
  #isGoodbye = false;

  /** @param socket paused, with nothing of the handshake left in it */
  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isBehind(): boolean {
    if (this.#closed) return false;
    return !!this.#rest || !!this.#conclude || this.#socket.readableLength > 0;
  }

  start(conn: CarrierHandler): void {
    this.#conn = conn;
    const { scope } = conn;
    this.#pacer = new Pacer(scope, () => this.#step());
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => scope.run(() => this.#receive(chunk)));
    socket.pause(); // until the reader asks
    this.#keepAlive();
    socket.on('end', () => scope.run(() => this.#finish(() => conn.end())));
    socket.on('error', error => {
      if (!this.#isUnheard(error)) scope.run(() => this.#lose(error));
    });
  }

  write(chunks: readonly Uint8Array[], done: Done): void {
    const socket = this.#socket;
    const last = chunks.length - 1;
    const written = (error?: Error | null) => {
      if (!error) this.#conn.active();
      this.#conn.scope.run(done, error && !this.#isUnheard(error) ? error : undefined);
    };
    this.#isGoodbye = isTlsAlert(chunks);
    this.#conn.active();
    if (last > 0) socket.cork();
    for (let i = 0; i <= last; i++) socket.write(chunks[i]!, i === last ? written : undefined);
    if (last > 0) socket.uncork();
  }

  end(done: Done): void {
    // Its 'finish' comes when the kernel has it; a lost connection is reported by 'error'.
    this.#socket.end(() => this.#conn.scope.run(done));
  }

  resume(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#proceed();
  }

  pause(): void {
    this.#wanted = false;
    this.#proceed();
  }

  ref(): void {
    this.#refed = true;
    this.#keepAlive();
  }

  unref(): void {
    this.#refed = false;
    this.#keepAlive();
  }

  setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(on: boolean, delay: number): void {
    this.#socket.setKeepAlive(on, delay);
  }

  close(reset: boolean, closed: () => void): void {
    this.#closed = true;
    this.#pacer.close();
    const socket = this.#socket;
    if (socket.closed) return void nextTurn(closed);
    socket.once('close', closed);
    socket.on('error', () => {}); // of what was still under way
    // Only TCP can be reset.
    if (reset && socket.remoteAddress !== undefined) socket.resetAndDestroy();
    else socket.destroy();
  }

  /** A goodbye to a peer that had said its own, and did not wait for it. */
  #isUnheard({ code }: NodeJS.ErrnoException): boolean {
    return this.#isGoodbye && code === 'EPIPE' && this.#socket.readableEnded;
  }

  #receive(chunk: Buffer): void {
    const conn = this.#conn;
    conn.active();
    if (conn.target) {
      this.#rest = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
      this.#pacer.begin();
      this.#step();
    } else if (!conn.push(chunk)) {
      this.pause();
    }
  }

  /** Puts into the reader's own memory what fits; then sees to the next piece, as #proceed says. */
  #step(): void {
    const rest = this.#rest;
    if (this.#closed || !this.#wanted || this.#isStepping) return;
    this.#isStepping = true;
    try {
      if (rest) this.#handOut(rest);
    } finally {
      this.#isStepping = false;
      this.#proceed();
    }
  }

  #handOut(rest: Buffer): void {
    const target = this.#conn.target!;
    const memory = this.#pacer.guard(() => target.memory());
    if (!memory || this.#closed || !this.#wanted) return;
    const count = rest.copy(memory);
    this.#rest = count < rest.length ? rest.subarray(count) : undefined;
    this.#pacer.charge(count);
    target.filled(count);
  }

  /** Lets the socket go on, or first hands out what is left here. */
  #proceed(): void {
    if (this.#closed || this.#isStepping) return;
    this.#keepAlive();
    if (!this.#wanted || this.#rest) this.#socket.pause();
    if (!this.#wanted) return;
    if (this.#rest) return this.#pacer.schedule();
    this.#socket.resume();
    const conclude = this.#conclude;
    if (!conclude) return;
    this.#conclude = undefined;
    nextTurn(() => this.#conn.scope.run(() => this.#closed || conclude()));
  }

  /** A handle that does not read does not keep the process alive; writes under way do. */
  #keepAlive(): void {
    if (this.#refed && this.#wanted) this.#socket.ref();
    else this.#socket.unref();
  }

  /** @param tell called at once; if the reader's memory was too short, after what is left */
  #finish(tell: () => void): void {
    if (this.#closed) return;
    if (!this.#conn.target) return tell();
    this.#conclude = tell;
    this.#proceed();
  }

  /** The socket has destroyed itself; what it has read is still in its buffer. */
  #lose(error: Error): void {
    if (this.#closed) return;
    const conn = this.#conn;
    this.#socket.pause(); // so that `read` gives all of it
    const chunk = this.#socket.read() as Buffer | null;
    if (chunk && conn.target) this.#rest = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    try {
      if (chunk && !conn.target) conn.push(chunk);
    } finally {
      this.#finish(() => conn.lose(error));
    }
  }
}
