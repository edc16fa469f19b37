import type { Socket } from 'node:net';
import { ShmError } from '../../errors.js';
import type { Carrier, CarrierHandler, Done, Target } from './carrier.js';

/** Where memory cannot be shared: the socket of the handshake carries the bytes. */
export class SocketCarrier implements Carrier {
  readonly transport = 'socket';
  readonly #socket: Socket;
  #conn!: CarrierHandler;

  /** @param socket paused, with nothing of the handshake left in it */
  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(conn: CarrierHandler): void {
    this.#conn = conn;
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => {
      conn.active();
      if (conn.target) this.#fill(conn.target, chunk);
      else if (!conn.push(chunk)) socket.pause();
    });
    socket.pause(); // until the reader asks
    socket.on('end', () => conn.push(null));
    socket.on('error', error => conn.fail(error));
  }

  write(chunks: readonly Uint8Array[], done: Done): void {
    const socket = this.#socket;
    const last = chunks.length - 1;
    const written = (error?: Error | null) => {
      if (!error) this.#conn.active();
      done(error ?? undefined);
    };
    this.#conn.active();
    if (last > 0) socket.cork();
    for (let i = 0; i <= last; i++) socket.write(chunks[i]!, i === last ? written : undefined);
    if (last > 0) socket.uncork();
  }

  end(done: Done): void {
    // Its 'finish' comes when the kernel has it; a lost connection is told by 'error'.
    this.#socket.end(() => done());
  }

  resume(): void {
    this.#socket.resume();
  }

  pause(): void {
    this.#socket.pause();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on);
  }

  setKeepAlive(on: boolean, delay: number): void {
    this.#socket.setKeepAlive(on, delay);
  }

  close(reset: boolean, closed: () => void): void {
    const socket = this.#socket;
    if (socket.closed) return closed();
    socket.once('close', closed);
    socket.on('error', () => {}); // of what was still under way
    // Only TCP can be reset.
    if (reset && socket.remoteAddress !== undefined) socket.resetAndDestroy();
    else socket.destroy();
  }

  /** In as many pieces as the reader's memory needs; what is not wanted yet goes back. */
  #fill(target: Target, chunk: Buffer): void {
    const socket = this.#socket;
    try {
      for (let at = 0; at < chunk.length;) {
        const { memory } = target;
        const count = chunk.copy(memory, 0, at, at + memory.length);
        at += count;
        if (target.filled(count)) continue;
        socket.pause();
        if (at < chunk.length && !socket.destroyed) socket.unshift(chunk.subarray(at));
        return;
      }
    } catch (cause) {
      if (!(cause instanceof ShmError)) throw cause; // the reader's own
      this.#conn.fail(cause);
    }
  }
}
