import { ShmError } from '../../errors.js';
import { deserialize, serialize } from './clone.js';
import { PlainDecoder } from './plain/decoder.js';
import { notPlain, PlainEncoder } from './plain/encoder.js';
import { magic } from './plain/format.js';
import { isScratch, scratchRoom } from './plain/room.js';
import type { RangeCodec } from './types.js';

/*
 * Plain data goes in a format of our own, straight into the ring, see plain/format.ts. All else
 * (a Map, an Error, a typed array, …) goes through V8's serializer, see clone.ts, which throws for
 * what cannot be cloned. The first byte tells them apart: V8's is 0xff.
 */

/** Most messages fit into this; one that does not is finished elsewhere. */
const leastRoom = 512;

/** After this many messages in a row that were not plain, looking for plain data is left out … */
const missesBefore = 4;
/** … for this many messages at most. */
const maxSkipped = 32;

/**
 * A value's accessors can send messages while it is being encoded, and neither an encoder nor
 * the scratch room serves two at once: such messages go through V8.
 */
let encoding = false;

/**
 * The codec of one end of a channel: both directions remember the shapes of objects.
 *
 * @param limit bytes of a message: longer ones are given up while they are being encoded
 * @param isExact also carries named properties of every array, as `process.send` does; arrays of
 *   many elements take longer then
 */
export function structured(limit = Number.POSITIVE_INFINITY, isExact = false): RangeCodec<unknown> {
  const encoder = new PlainEncoder(limit, isExact);
  const decoder = new PlainDecoder();
  let misses = 0;
  let skips = 0;

  /** What is not plain is read twice, at least in part, unless that can be foreseen. */
  function missed(): void {
    if (++misses >= missesBefore) skips = Math.min(2 ** (misses - missesBefore), maxSkipped);
  }

  function encodeInto(value: unknown, target: Buffer, start: number, end: number) {
    if (encoding) return serialize(value);
    encoding = true;
    try {
      if (skips > 0) {
        skips--;
        return serialize(value);
      }
      const encoded = encoder.encode(value, target, start, end);
      if (encoded === notPlain) {
        missed();
        return serialize(encoder.takeRest());
      }
      misses = 0;
      return encoded;
    } finally {
      encoding = false;
    }
  }

  return {
    inPlace: leastRoom,

    encodeInto,

    encode(value) {
      const room = scratchRoom();
      const encoded = encodeInto(value, room, 0, room.length);
      return typeof encoded === 'number' ? room.subarray(0, encoded) : encoded;
    },

    isFresh: bytes => !isScratch(bytes),

    vacate: target => encoder.vacate(target),

    sent() {
      if (!encoding) encoder.sent();
    },

    unsent: () => encoder.unsent(),

    decode(bytes, start, end) {
      if (bytes[start] === magic) return decoder.decode(bytes, start, end);
      try {
        // A peer may still change what lies in the ring, and V8 reads some of it twice.
        const isOwn = start === 0 && end === bytes.buffer.byteLength;
        return deserialize(isOwn ? bytes : Buffer.from(bytes.subarray(start, end)));
      } catch (error) {
        const detail = `expected a structured value in ${end - start} bytes`;
        throw new ShmError('ERR_CORRUPT', detail, 'channel.receive', undefined, error);
      }
    },
  };
}
