import type { ShmError } from '../../errors.js';
import { clearTimeout, now, setTimeout, timerLimit } from '../../timers.js';
import type { RangeCodec } from '../codec/types.js';
import type { ChannelLimits } from './channel-options.js';
import type { MessageEnds, Outlet } from './message-ends.js';
import { PieceSender } from './piece-sender.js';

/** What stands in the way of a value that is to be written. */
const Busy = {
  no: 0,
  /** Room is reserved in the ring, and a value is being encoded into it. */
  filling: 1,
  /** Pieces of a long message are not in yet, and all else comes behind it. */
  sending: 2,
} as const;

const nothing = new Uint8Array(0);

/** The sending half of a channel: values become bytes, in the ring itself where that can be done. */
export class MessageWriter<T> {
  readonly #ends: MessageEnds;
  readonly #output: Outlet;
  readonly #codec: RangeCodec<T>;
  readonly #pieces: PieceSender;
  /** Bytes of a value. */
  readonly #most: number;
  /** Bytes of a value that goes in as one record. */
  readonly #longest: number;
  #busy: (typeof Busy)[keyof typeof Busy] = Busy.no;
  /** Bytes that the last value needed for which there was no room. */
  #needed = 0;
  /** The last value that did not go in, encoded, for a blocking write. */
  #unsent: Uint8Array = nothing;
  #isBlocking = false;
  /** Room is waited for, for another value. */
  #isAwaited = false;
  readonly #closeTimeout: number;
  /** Called when nothing is left of a long message. */
  #whenSent: (() => void) | undefined;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(
    ends: MessageEnds,
    codec: RangeCodec<T>,
    { maxMessage, closeTimeout }: ChannelLimits,
  ) {
    this.#ends = ends;
    this.#output = ends.output;
    this.#codec = codec;
    this.#pieces = new PieceSender(ends, closeTimeout);
    this.#most = maxMessage;
    this.#closeTimeout = closeTimeout;
    this.#longest = Math.min(maxMessage, this.#pieces.longest);
  }

  /** Room to wait for: for the next piece, or the last value that did not go in. */
  get needed(): number {
    return this.pending ? this.#pieces.needed : this.#needed;
  }

  /** Whether there is room for the last value that did not go in. */
  get hasRoom(): boolean {
    return !this.pending && this.#output.hasRoom(this.#needed);
  }

  /** A long message is not wholly sent yet. */
  get pending(): boolean {
    return this.#busy === Busy.sending;
  }

  /** That message, if there is one, which is not sent any further. */
  takeUnsent(): Buffer | undefined {
    const { unsent } = this.#pieces;
    const copy = unsent && Buffer.from(unsent);
    this.drop();
    return copy;
  }

  /** @returns false: there is no room, and nothing was written */
  tryWrite(value: T): boolean {
    const codec = this.#codec;
    const output = this.#output;
    if (this.#busy !== Busy.no && !this.#makeWay()) return false;
    const start = codec.inPlace > 0 ? output.tryReserveRange(codec.inPlace) : -1;
    if (start < 0) return this.#writeBytes(codec.encode(value));
    let encoded: number | Uint8Array;
    this.#busy = Busy.filling;
    try {
      encoded = codec.encodeInto(value, output.records, start, start + output.reserved);
    } catch (error) {
      output.abort();
      throw error;
    } finally {
      if (this.#busy === Busy.filling) this.#busy = Busy.no;
    }
    if (typeof encoded === 'number' && encoded <= this.#longest) {
      output.commit(encoded);
      codec.sent?.();
      return true;
    }
    output.abort();
    if (typeof encoded === 'number') throw this.#tooLarge(encoded);
    return this.#writeBytes(encoded);
  }

  /**
   * An accessor of the value that is being encoded sends another one, which goes first, as with
   * `process.send`. Nothing is reserved then: the outer value finds room once it is whole.
   */
  #makeWay(): boolean {
    if (this.#busy === Busy.sending) return false;
    this.#busy = Busy.no;
    this.#codec.vacate?.(this.#output.records);
    this.#output.abort();
    return true;
  }

  /**
   * {@link tryWrite}, and where there is no room, blocks for it; a long message is wholly in the ring
   * when this returns, or, where the time ran out, given up.
   *
   * @param timeout milliseconds; Infinity: no limit
   */
  writeSync(value: T, timeout: number): boolean {
    this.#isBlocking = true;
    try {
      const isTried = !this.pending;
      const isIn = isTried && this.tryWrite(value);
      if (isIn && !this.pending) return true;
      if (isIn) return this.#finishOrAbort(timeout);
      const end = now() + timeout;
      return this.#blockAndWrite(value, isTried, () => Math.max(0, end - now()));
    } finally {
      this.#isBlocking = false;
      this.#unsent = nothing;
      if (this.pending) this.#ends.awaitRoom(this.needed);
    }
  }

  #blockAndWrite(value: T, isTried: boolean, left: () => number): boolean {
    if (!isTried) {
      if (!this.finishSync(left())) return false;
      if (this.tryWrite(value)) return this.#finishOrAbort(left());
    }
    // Encoded once: no other encoding comes in between, since this thread is blocked.
    const bytes = this.#unsent;
    // What an accessor of the value has sent goes first.
    if (this.pending && !this.finishSync(left())) return false;
    if (bytes.length <= this.#longest) {
      if (!this.#output.writeSync(bytes, left())) return false;
      this.#codec.sent?.();
      return true;
    }
    while (!this.#writeLong(bytes)) {
      if (!this.#pieces.waitSync(left())) return false;
      if (this.#ends.peerEnded()) throw this.#peerClosed();
    }
    return this.#finishOrAbort(left());
  }

  /**
   * Sends what there is room for of a long message.
   *
   * @returns whether nothing is left of it
   * @throws {ShmError} `ERR_CORRUPT`; then nothing is left, either
   */
  push(): boolean {
    try {
      return !this.pending || this.#pieces.push();
    } finally {
      this.#settle();
    }
  }

  /** The same, blocking for room. */
  finishSync(timeout: number): boolean {
    try {
      return !this.pending || this.#pieces.finishSync(timeout);
    } finally {
      this.#settle();
    }
  }

  #settle(): void {
    if (this.#busy !== Busy.sending || this.#pieces.pending) return;
    this.#busy = Busy.no;
    this.#whenSent?.();
  }

  /**
   * At the close: resolves once nothing is left of a long message, or after `closeTimeout`.
   * Undefined: there is nothing left now.
   */
  rest(): Promise<void> | undefined {
    try {
      if (this.push()) return undefined;
    } catch {
      return undefined; // the ring is corrupt, which the other direction reports
    }
    this.#ends.awaitRoom(this.needed);
    return new Promise(resolve => {
      const isTimed = this.#closeTimeout < timerLimit;
      const timer = isTimed && setTimeout(() => this.drop(), this.#closeTimeout).unref();
      this.#whenSent = () => {
        if (timer) clearTimeout(timer);
        resolve();
      };
    });
  }

  /** What is left of a long message will not be sent. */
  drop(): void {
    this.#pieces.drop();
    this.#settle();
  }

  /** A value found no room: {@link roomCame} is called when there is some. */
  awaitRoom(): void {
    this.#isAwaited = true;
    this.#ends.awaitRoom(this.needed);
  }

  /** A wait for room could not begin: it does now, if there is one. */
  awaitAgain(): void {
    if (this.#isAwaited || this.pending) this.#ends.awaitRoom(this.needed);
  }

  /** Resolves once there is room. */
  async ready(): Promise<void> {
    if (this.hasRoom) return;
    this.awaitRoom();
    await new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /**
   * There is room: what is left of a long message goes first.
   *
   * @returns whether somebody has waited for it, and there is some left
   * @throws {ShmError} `ERR_CORRUPT`
   */
  roomCame(): boolean {
    if (!this.push()) {
      this.#ends.awaitRoom(this.needed);
      return false;
    }
    if (!this.#isAwaited) return false;
    if (!this.hasRoom && !this.#ends.peerEnded()) {
      this.#ends.awaitRoom(this.needed);
      return false;
    }
    this.#isAwaited = false;
    for (const { resolve } of this.#waiters.splice(0)) resolve();
    return true;
  }

  /** Rejects what waits for room. */
  fail(error: Error): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  #writeBytes(bytes: Uint8Array): boolean {
    if (bytes.length > this.#longest) return this.#writeLong(bytes);
    // An accessor may have sent a long message meanwhile.
    if (this.#busy === Busy.sending || !this.#output.tryWrite(bytes)) {
      this.#needed = bytes.length;
      if (this.#isBlocking) this.#unsent = bytes;
      return false;
    }
    this.#codec.sent?.();
    return true;
  }

  #writeLong(bytes: Uint8Array): boolean {
    if (bytes.length > this.#most) throw this.#tooLarge(bytes.length);
    if (!this.#pieces.hasRoom) {
      this.#needed = this.#pieces.needed;
      if (this.#isBlocking) this.#unsent = bytes;
      return false;
    }
    this.#pieces.begin(bytes, this.#codec.isFresh?.(bytes) ?? false);
    // Its pieces will be there before all that follows.
    this.#codec.sent?.();
    if (!this.#pieces.pending) return true;
    this.#busy = Busy.sending;
    if (!this.#isBlocking) this.#ends.awaitRoom(this.#pieces.needed);
    return true;
  }

  /** At the end of a blocking write: all of the message is in, or nothing was sent. */
  #finishOrAbort(timeout: number): boolean {
    if (!this.pending || !this.#pieces.canBlock) return true;
    const isIn = this.finishSync(timeout);
    if (isIn && !this.#pieces.isUnread) return true;
    this.#codec.unsent?.();
    if (isIn) throw this.#peerClosed();
    this.#pieces.abort();
    this.#settle();
    return false;
  }

  #peerClosed(): ShmError {
    return this.#ends.error('ERR_PEER_CLOSED', 'send', 'the peer closed its end');
  }

  #tooLarge(length: number): ShmError {
    const detail = `expected a value of at most ${this.#most} encoded bytes (maxMessage), got ${length}`;
    return this.#ends.error('ERR_TOO_LARGE', 'send', detail);
  }
}
