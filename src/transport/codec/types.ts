/** Turns values into bytes and back, for a channel. */
export interface Codec<T> {
  /**
   * What it throws is thrown by `send`, and nothing was sent.
   *
   * @returns the value's bytes, a Uint8Array; they are copied before the next call
   */
  encode(value: T): Uint8Array;
  /**
   * What it throws makes an `error` with the code `ERR_CORRUPT` and with it as the cause, and
   * ends the channel: the peer has sent what it should not.
   *
   * @param bytes valid during the call only: copy what has to last longer
   */
  decode(bytes: Uint8Array): T;
}

/**
 * - `'bytes'`: a Uint8Array or Buffer; arrives as a Buffer of the receiver's own, which can be
 *   transferred.
 * - `'string'`: a string, as UTF-8.
 * - `'structured'`: what the structured clone algorithm takes, as `process.send` does with
 *   `serialization: 'advanced'`: Map, Set, Date, RegExp, BigInt, typed arrays, Error,
 *   undefined, cycles. What that refuses (functions, symbols, a Proxy) throws the same error.
 *   Accessors run once. Of an ordinary array only the elements are carried, not properties
 *   with names; what `RegExp.exec` gives keeps them. Fastest with plain data whose objects have
 *   few different lists of keys: each list is told once per channel.
 */
export type CodecOption<T> = 'bytes' | 'string' | 'structured' | Codec<T>;

/**
 * What a channel works with: a codec that can write into a part of a larger buffer, and
 * read from one, without making a view per message.
 */
export interface RangeCodec<T> {
  /**
   * Room that is reserved before encoding in place is tried. 0: the codec does not encode
   * in place.
   */
  readonly inPlace: number;
  /**
   * Writes the value into `target` between `start` and `end`.
   *
   * @returns the bytes written; or, where there was not enough room, the value's bytes
   *   elsewhere
   */
  encodeInto(value: T, target: Buffer, start: number, end: number): number | Uint8Array;
  encode(value: T): Uint8Array;
  /** Whether bytes that {@link encode} gave are of that message alone, and stay as they are. */
  isFresh?(bytes: Uint8Array): boolean;
  /**
   * While {@link encodeInto} runs a function of the user, e.g. an accessor that sends a message:
   * `target` is needed for something else. What was written moves away, and `encodeInto` will
   * return bytes elsewhere.
   */
  vacate?(target: Buffer): void;
  /** What was encoded last is in the ring: the peer will see it before all that follows. */
  sent?(): void;
  /** What was {@link sent} last will not arrive after all. */
  unsent?(): void;
  /**
   * A range that is the whole of its ArrayBuffer is memory of that message alone, and can become a
   * part of the value.
   */
  decode(bytes: Buffer, start: number, end: number): T;
}
