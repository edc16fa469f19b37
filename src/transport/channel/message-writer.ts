import type { RangeCodec } from '../codec/types.js';
import type { Outlet } from './message-ends.js';

/** The sending half of a channel: values become bytes, in the ring itself where that can be done. */
export class MessageWriter<T> {
  readonly #output: Outlet;
  readonly #codec: RangeCodec<T>;
  /** What the last value took that did not go in. */
  #unsent: Uint8Array = new Uint8Array(0);
  /** Room is reserved in the ring, and a value is being encoded into it. */
  #isFilling = false;
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(output: Outlet, codec: RangeCodec<T>) {
    this.#output = output;
    this.#codec = codec;
  }

  /** Bytes that the last value needed for which there was no room. */
  get needed(): number {
    return this.#unsent.length;
  }

  /** Whether there is room for the last value that did not go in. */
  get hasRoom(): boolean {
    return this.#output.hasRoom(this.needed);
  }

  /** @returns false: there is no room, and nothing was written */
  tryWrite(value: T): boolean {
    const codec = this.#codec;
    const output = this.#output;
    if (this.#isFilling) this.#makeWay();
    const start = codec.inPlace > 0 ? output.tryReserveRange(codec.inPlace) : -1;
    if (start < 0) return this.#writeBytes(codec.encode(value));
    let encoded: number | Uint8Array;
    this.#isFilling = true;
    try {
      encoded = codec.encodeInto(value, output.records, start, start + output.reserved);
    } catch (error) {
      output.abort();
      throw error;
    } finally {
      this.#isFilling = false;
    }
    if (typeof encoded === 'number') {
      output.commit(encoded);
      codec.sent?.();
      return true;
    }
    output.abort();
    return this.#writeBytes(encoded);
  }

  /**
   * An accessor of the value that is being encoded sends another one, which goes first, as with
   * `process.send`. Nothing is reserved then: the outer value finds room once it is whole.
   */
  #makeWay(): void {
    this.#isFilling = false;
    this.#codec.vacate?.(this.#output.records);
    this.#output.abort();
  }

  /** {@link tryWrite}, and where there is no room, blocks for it. */
  writeSync(value: T, timeout: number | undefined): boolean {
    if (this.tryWrite(value)) return true;
    // Encoded once: no other encoding comes in between, since this thread is blocked.
    if (!this.#output.writeSync(this.#unsent, timeout)) return false;
    this.#codec.sent?.();
    return true;
  }

  /** Resolves when {@link roomCame}. */
  room(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  roomCame(): void {
    for (const { resolve } of this.#waiters.splice(0)) resolve();
  }

  /** Rejects what waits for room. */
  fail(error: Error): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  #writeBytes(bytes: Uint8Array): boolean {
    if (!this.#output.tryWrite(bytes)) {
      this.#unsent = bytes;
      return false;
    }
    this.#codec.sent?.();
    return true;
  }
}
