import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { now } from '../../timers.js';
import { sleepSync } from '../ring/atomics.js';
import { finishAtExit, forgetUnfinished, type Unfinished } from './exit-flush.js';

/** What is used here of Node's handle of a socket. */
interface SocketHandle {
  /** Below 0 where there is none, as on Windows. */
  readonly fd?: number;
  /** Bytes that were handed to it, and that the kernel has not taken. */
  readonly writeQueueSize?: number;
}

/** Milliseconds between two looks whether the kernel takes more. */
const pause = 1;

/**
 * What a socket was given and the kernel has not taken yet. At the end of the process, when the event
 * loop does not run any more, it is written by system calls, so that a long message that was
 * accepted arrives.
 */
export class SocketRest implements Unfinished {
  readonly closeTimeout: number;
  readonly #socket: Socket;
  /** In the order they were written, from `#first` on. */
  #written: (Uint8Array | undefined)[] = [];
  #first = 0;
  /** A long message, and how much of it has been written. */
  #long: Uint8Array | undefined;
  #longAt = 0;
  /** At the end of the process: what is left, in this order. */
  #left: Uint8Array[] | undefined;

  constructor(socket: Socket, closeTimeout: number) {
    this.#socket = socket;
    this.closeTimeout = closeTimeout;
    socket.once('close', () => forgetUnfinished(this));
  }

  /** Everything was written by system calls: nothing else can be, any more. @returns whether all is out */
  get isOut(): boolean | undefined {
    return this.#left && this.#left.length === 0;
  }

  /** Writes bytes that stay as they are. @param flushed called when the kernel has taken them */
  write(bytes: Uint8Array, flushed: () => void): void {
    this.#written.push(bytes);
    this.#socket.write(bytes, () => {
      this.#shift();
      flushed();
    });
  }

  /** A long message goes out by {@link write}, so far up to here. */
  progress(bytes: Uint8Array, at: number): void {
    if (this.#long !== bytes) finishAtExit(this);
    this.#long = bytes;
    this.#longAt = at;
  }

  /** @param last to be written behind all else */
  finishSync(timeout: number, last?: Uint8Array): boolean {
    const { fd = -1 } = this.#handle;
    if (fd < 0) return true; // nothing can be done
    const left = (this.#left ??= this.#takeOver());
    if (last) left.push(last);
    const end = now() + timeout;
    while (left.length > 0) {
      const [bytes] = left as [Uint8Array];
      try {
        const count = writeSync(fd, bytes);
        if (count === bytes.length) left.shift();
        else left[0] = bytes.subarray(count);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        if (now() >= end) return false;
        sleepSync(pause);
      }
    }
    return true;
  }

  get #handle(): SocketHandle {
    return (this.#socket as unknown as { _handle?: SocketHandle | null })._handle ?? {};
  }

  #takeOver(): Uint8Array[] {
    const waiting = this.#socket as unknown as { writableBuffer?: { chunk: Uint8Array }[] };
    let count = this.#handle.writeQueueSize ?? 0;
    for (const { chunk } of waiting.writableBuffer ?? []) count += chunk.length;
    const left: Uint8Array[] = [];
    // The last of what was written has not left.
    for (let i = this.#written.length - 1; count > 0 && i >= this.#first; i--) {
      const bytes = this.#written[i]!;
      left.unshift(bytes.subarray(Math.max(0, bytes.length - count)));
      count -= bytes.length;
    }
    if (this.#long && this.#longAt < this.#long.length)
      left.push(this.#long.subarray(this.#longAt));
    return left;
  }

  #shift(): void {
    this.#written[this.#first++] = undefined;
    if (this.#first < this.#written.length) return;
    this.#written = [];
    this.#first = 0;
    if (!this.#long || this.#longAt < this.#long.length) return;
    this.#long = undefined;
    forgetUnfinished(this);
  }
}
