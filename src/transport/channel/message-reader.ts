import type { ShmError } from '../../errors.js';
import { now } from '../../timers.js';
import type { RangeCodec } from '../codec/types.js';
import { decodeMessage, type MessageEnds } from './message-ends.js';

/** Takes messages out of a channel one by one, where nobody listens for them. */
export class MessageReader<T> {
  readonly #ends: MessageEnds;
  readonly #codec: RangeCodec<T>;
  #value: T | undefined;

  constructor(ends: MessageEnds, codec: RangeCodec<T>) {
    this.#ends = ends;
    this.#codec = codec;
  }

  /** Blocks for a message. @param timeout milliseconds; absent: no limit */
  readSync(timeout: number | undefined): T | undefined {
    const { input } = this.#ends;
    // The clock costs as much as a small message: what is there already needs none.
    let start = timeout === undefined || input.ready() ? undefined : now();
    for (let left = timeout; input.waitSync(left);) {
      if (this.#take()) return this.#taken();
      // Only a part of a long message has come.
      start ??= now();
      if (timeout !== undefined) left = Math.max(0, timeout - (now() - start));
    }
    const cut = this.cut();
    if (cut) throw cut;
    return undefined;
  }

  /** Waits for a message; null: the end. */
  async read(options: { signal: AbortSignal }): Promise<{ value: T } | null> {
    for (;;) {
      const isThere = (await this.#ends.input.readable(options)) !== null;
      if (this.#take()) return { value: this.#taken() };
      if (isThere) continue;
      const cut = this.cut();
      if (cut) throw cut;
      return null;
    }
  }

  /** An error where the peer ended in the middle of a message. */
  cut(): ShmError | undefined {
    if (!this.#ends.isPartial || !this.#ends.input.ended) return undefined;
    const detail = 'the peer closed before all of a message had come';
    return this.#ends.error('ERR_PEER_CLOSED', 'receive', detail);
  }

  /** @returns whether a message was there, which {@link #taken} gives */
  #take(): boolean {
    return this.#ends.input.drain(this.#keep, 1) === 1;
  }

  readonly #keep = (bytes: Buffer, offset: number, length: number): void => {
    this.#value = decodeMessage(this.#ends.input, this.#codec, bytes, offset, length);
  };

  #taken(): T {
    const value = this.#value as T;
    this.#value = undefined;
    return value;
  }
}
