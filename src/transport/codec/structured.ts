import { deserialize, serialize } from 'node:v8';
import { ShmError } from '../../errors.js';
import { PlainDecoder } from './plain/decoder.js';
import { noRoom, notPlain, PlainEncoder } from './plain/encoder.js';
import { magic } from './plain/format.js';
import type { RangeCodec } from './types.js';

/*
 * Plain data goes in a format of our own, straight into the ring, see plain/format.ts. All else
 * (a Map, an Error, a typed array, …) goes through V8's serializer, which is what `process.send`
 * uses, and which throws for what cannot be cloned. The first byte tells them apart: V8's is 0xff.
 */

/** Most messages fit into this; one that does not is encoded a second time. */
const leastRoom = 512;

/** For what does not fit into the ring in one piece. One for the thread: it is copied at once. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** A larger one is made for one message and not kept. */
const maxScratch = 1024 * 1024;

/**
 * A value's accessors can send messages while it is being encoded, and neither an encoder nor
 * the scratch buffer serves two at once: such messages go through V8.
 */
let encoding = false;

/** The codec of one end of a channel: both directions remember the shapes of objects. */
export function structured(): RangeCodec<unknown> {
  const encoder = new PlainEncoder();
  const decoder = new PlainDecoder();

  function encodeToScratch(value: unknown): Uint8Array {
    for (let room = scratch; ; room = Buffer.allocUnsafeSlow(2 * room.length)) {
      const length = encoder.encode(value, room, 0, room.length);
      if (length === noRoom) continue;
      if (room.length <= maxScratch) scratch = room;
      return length === notPlain ? serialize(value) : room.subarray(0, length);
    }
  }

  return {
    inPlace: leastRoom,

    encodeInto(value, target, start, end) {
      if (encoding) return serialize(value);
      encoding = true;
      try {
        const length = encoder.encode(value, target, start, end);
        if (length === noRoom) return encodeToScratch(value);
        return length === notPlain ? serialize(value) : length;
      } finally {
        encoding = false;
      }
    },

    encode(value) {
      if (encoding) return serialize(value);
      encoding = true;
      try {
        return encodeToScratch(value);
      } finally {
        encoding = false;
      }
    },

    sent() {
      if (!encoding) encoder.sent();
    },

    decode(bytes, start, end) {
      if (bytes[start] === magic) return decoder.decode(bytes, start, end);
      try {
        // V8 makes views on what it reads from, which here is the ring: hence a copy.
        return deserialize(Buffer.from(bytes.subarray(start, end))) as unknown;
      } catch (error) {
        const detail = `expected a structured value in ${end - start} bytes`;
        throw new ShmError('ERR_CORRUPT', detail, 'channel.receive', undefined, error);
      }
    },
  };
}
