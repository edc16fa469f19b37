import { ShmError } from '../../errors.js';
import { now } from '../../timers.js';
import { giveSpare, takeSpare } from '../codec/spare.js';
import { finishAtExit, forgetUnfinished, type Unfinished } from './exit-flush.js';
import type { MessageEnds, PieceOutlet } from './message-ends.js';

/** Sends what is too long for one record, one message at a time, in pieces as room comes. */
export class PieceSender implements Unfinished {
  readonly closeTimeout: number;
  readonly #ends: MessageEnds;
  readonly #outlet: PieceOutlet;
  /** What is being sent; undefined: nothing, or a message that is given up. */
  #bytes: Uint8Array | undefined;
  #at = 0;
  #isAborting = false;
  #wasUnread = false;

  /** @param closeTimeout milliseconds that the end of the process waits for the peer */
  constructor(ends: MessageEnds, closeTimeout: number) {
    this.#ends = ends;
    this.#outlet = ends.pieces;
    this.closeTimeout = closeTimeout;
  }

  /** Bytes of the longest message that needs no pieces. */
  get longest(): number {
    return this.#outlet.longest;
  }

  /** Room to wait for. */
  get needed(): number {
    return this.#outlet.needed;
  }

  /** There is something left to send. */
  get pending(): boolean {
    return this.#bytes !== undefined || this.#isAborting;
  }

  /** Whether a message could begin. */
  get hasRoom(): boolean {
    return !this.pending && !this.#ends.peerEnded() && this.#ends.output.hasRoom(this.needed);
  }

  /** Whether the last message was given up since nobody reads it. */
  get isUnread(): boolean {
    return this.#wasUnread;
  }

  /** Whether a thread can block for room. */
  get canBlock(): boolean {
    return this.#outlet.waitSync !== undefined;
  }

  /** The message that is being sent; whole where its bytes were fresh. */
  get unsent(): Uint8Array | undefined {
    return this.#bytes;
  }

  /**
   * Begins a message where there is room. What does not go in now is {@link pending}.
   *
   * @param isFresh they are this message's alone, and stay as they are
   * @throws {ShmError} `ERR_CLOSED`, `ERR_CORRUPT`; nothing was sent then
   */
  begin(bytes: Uint8Array, isFresh: boolean): void {
    const { copies } = this.#outlet;
    const own = isFresh || copies ? bytes : copyOf(bytes);
    this.#wasUnread = false;
    this.#at = this.#outlet.write(own, 0, own.length);
    if (this.#at === own.length) {
      if (isFresh && copies) giveSpare(own);
      return;
    }
    this.#bytes = own;
    if (!isFresh && copies) {
      // What is in the ring need not be copied besides.
      this.#bytes = copyOf(bytes.subarray(this.#at));
      this.#at = 0;
    }
    if (this.canBlock) finishAtExit(this); // a socket does it by itself
  }

  /**
   * Sends what there is room for; gives up where nobody reads it.
   *
   * @returns whether there is nothing left to send
   * @throws {ShmError} `ERR_CORRUPT`; there is nothing left then
   */
  push(): boolean {
    try {
      if (this.#bytes) this.#at = this.#outlet.write(this.#bytes, this.#at);
      else if (this.#isAborting && !this.#outlet.abort()) return this.#isUnread();
    } catch (error) {
      this.drop();
      throw error;
    }
    if (this.#bytes && this.#at < this.#bytes.length) return this.#isUnread();
    this.drop();
    return true;
  }

  /**
   * {@link push}, blocking for room.
   *
   * @param timeout milliseconds
   * @returns false: the time ran out
   * @throws {ShmError} `ERR_PEER_DIED`, `ERR_CORRUPT`; there is nothing left then
   */
  finishSync(timeout: number): boolean {
    const end = now() + timeout;
    while (!this.push()) {
      const left = Math.max(0, end - now());
      if (!this.waitSync(left)) return false;
    }
    return true;
  }

  /** The message will not be finished; the peer learns of it when there is room to say so. */
  abort(): void {
    this.#bytes = undefined;
    this.#isAborting = true;
    this.push();
  }

  /** Forgets what was left to send. */
  drop(): void {
    if (this.#bytes && this.#outlet.copies) giveSpare(this.#bytes);
    this.#bytes = undefined;
    this.#isAborting = false;
    forgetUnfinished(this);
  }

  #isUnread(): boolean {
    if (!this.#ends.peerEnded()) return false;
    this.#wasUnread = true;
    this.drop();
    return true;
  }

  /** Blocks until there is room for a piece, or nobody to read it. @throws as {@link finishSync} */
  waitSync(timeout: number): boolean {
    const outlet = this.#outlet;
    if (!outlet.waitSync)
      throw new ShmError('ERR_UNSUPPORTED', 'nothing can block here', 'channel.send');
    try {
      return outlet.waitSync(timeout);
    } catch (error) {
      this.drop();
      throw error;
    }
  }
}

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = takeSpare(bytes.length).subarray(0, bytes.length);
  copy.set(bytes);
  return copy;
}
