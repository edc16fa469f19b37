import { types } from 'node:util';
import { invalidArgument, ShmError } from '../../errors.js';
import type { Rule } from '../../native/arguments.js';
import { keepFreedHeap } from '../../native/heap.js';
import { ownBuffer } from './clone.js';
import { byteLength } from './plain/ordinary.js';
import { structured } from './structured.js';
import type { Codec, CodecOption, RangeCodec } from './types.js';

const bytes: RangeCodec<Uint8Array> = {
  inPlace: 0,
  encodeInto: value => value,
  encode(value) {
    return checkedBytes(value, 'value');
  },
  decode(source, start, end) {
    if (start === 0 && end === source.buffer.byteLength) return source;
    keepFreedHeap(end - start);
    return ownBuffer(source.subarray(start, end));
  },
};

/** Also those of other realms, where Uint8Array is another class. */
function checkedBytes(value: unknown, name: string): Uint8Array {
  if (!types.isUint8Array(value)) {
    throw invalidArgument('channel.send', name, 'a Uint8Array', value);
  }
  const length = byteLength(value);
  if (length < 0) {
    throw invalidArgument('channel.send', name, 'a Uint8Array that was not transferred', value);
  }
  // Other code would believe a `length` of its own, and knows one class only.
  if (value.length === length && value instanceof Uint8Array) return value;
  const { buffer, byteOffset } = value;
  return new Uint8Array(buffer, byteOffset, length);
}

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
  isFresh: () => true,
  decode: (source, start, end) => source.toString('utf8', start, end),
};

function checkString(value: unknown): void {
  if (typeof value !== 'string') throw invalidArgument('channel.send', 'value', 'a string', value);
}

/** A user's codec: its bytes are copied in, and it reads from a view. */
function custom<T>(codec: Codec<T>): RangeCodec<T> {
  return {
    inPlace: 0,
    encodeInto: value => checkedBytes(codec.encode(value), 'what the codec made'),
    encode: value => checkedBytes(codec.encode(value), 'what the codec made'),
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

/**
 * For one end of a channel.
 *
 * @param limit bytes of a message: more need not be encoded, since it will not be sent
 * @throws {ShmError} `ERR_INVALID_ARG`
 */
export function rangeCodec<T>(
  option: CodecOption<T> = 'structured',
  limit = Number.POSITIVE_INFINITY,
  operation = 'channel',
): RangeCodec<T> {
  // The caller's type parameter and its codec option are one decision; types cannot tie them.
  if (option === 'bytes') return bytes as unknown as RangeCodec<T>;
  if (option === 'string') return string as unknown as RangeCodec<T>;
  if (option === 'structured') return structured(limit) as RangeCodec<T>;
  const { encode, decode } = (option ?? {}) as Partial<Codec<T>>;
  if (typeof encode === 'function' && typeof decode === 'function') return custom(option);
  const expected = "'bytes', 'string', 'structured' or { encode, decode }";
  throw invalidArgument(operation, 'codec', expected, option);
}

export const aCodec: Rule = (operation, _name, value) => {
  rangeCodec(value as CodecOption<unknown>, undefined, operation);
};
