import { invalidArgument, ShmError } from '../errors.js';
import { noteCopy } from '../native/heap.js';
import { structured } from './structured.js';

/** Turns values into bytes and back, for a channel. */
export interface Codec<T> {
  /** @returns the value's bytes; they are copied before the next call */
  encode(value: T): Uint8Array;
  /**
   * What it throws makes an `error` with the code `ERR_CORRUPT` and with it as the cause, and
   * ends the channel: the peer has sent what it should not.
   *
   * @param bytes valid during the call only: copy what is to stay
   */
  decode(bytes: Uint8Array): T;
}

/**
 * - `'bytes'`: a Uint8Array or Buffer; arrives as a Buffer of the receiver's own.
 * - `'string'`: a string, as UTF-8.
 * - `'structured'`: what the structured clone algorithm takes, as `process.send` does with
 *   `serialization: 'advanced'`: Map, Set, Date, RegExp, BigInt, typed arrays, Error,
 *   undefined, cycles. What it refuses (functions, symbols) throws. Only the elements of an
 *   array are carried, not properties with names. Fastest with plain data whose objects have
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
  /** What was encoded last is in the ring: the peer will see it before all that follows. */
  sent?(): void;
  decode(bytes: Buffer, start: number, end: number): T;
}

const bytes: RangeCodec<Uint8Array> = {
  inPlace: 0,
  encodeInto: value => value,
  encode(value) {
    if (value instanceof Uint8Array) return value;
    throw invalidArgument('channel.send', 'value', 'a Uint8Array', value);
  },
  decode(source, start, end) {
    noteCopy(end - start);
    return Buffer.from(source.subarray(start, end));
  },
};

const string: RangeCodec<string> = {
  inPlace: 256,
  encodeInto(value, target, start, end) {
    checkString(value);
    // UTF-8 takes at most three bytes per UTF-16 unit.
    const fits = value.length * 3 <= end - start || Buffer.byteLength(value) <= end - start;
    return fits ? target.write(value, start) : Buffer.from(value);
  },
  encode(value) {
    checkString(value);
    return Buffer.from(value);
  },
  decode: (source, start, end) => source.toString('utf8', start, end),
};

function checkString(value: unknown): void {
  if (typeof value !== 'string') throw invalidArgument('channel.send', 'value', 'a string', value);
}

/** A user's codec: its bytes are copied in, and it reads from a view. */
function custom<T>(codec: Codec<T>): RangeCodec<T> {
  return {
    inPlace: 0,
    encodeInto: value => codec.encode(value),
    encode: value => codec.encode(value),
    decode(source, start, end) {
      try {
        return codec.decode(source.subarray(start, end));
      } catch (cause) {
        const detail = `the codec does not take the ${end - start} bytes that came`;
        throw new ShmError('ERR_CORRUPT', detail, 'channel.receive', undefined, cause);
      }
    },
  };
}

/** For one end of a channel. @throws {ShmError} `ERR_INVALID_ARG` */
export function rangeCodec<T>(option: CodecOption<T> = 'structured'): RangeCodec<T> {
  // The caller's type parameter and its codec option are one decision; types cannot tie them.
  if (option === 'bytes') return bytes as unknown as RangeCodec<T>;
  if (option === 'string') return string as unknown as RangeCodec<T>;
  if (option === 'structured') return structured() as RangeCodec<T>;
  const { encode, decode } = (option ?? {}) as Partial<Codec<T>>;
  if (typeof encode === 'function' && typeof decode === 'function') return custom(option);
  const expected = "'bytes', 'string', 'structured' or { encode, decode }";
  throw invalidArgument('channel', 'codec', expected, option);
}
