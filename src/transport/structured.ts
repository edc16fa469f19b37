import { createRequire } from 'node:module';
import { deserialize, serialize } from 'node:v8';
import type { Packr as PackrClass } from 'msgpackr';
import { ShmError } from '../errors.js';
import type { RangeCodec } from './codec.js';
import { PlainDecoder } from './plain/decoder.js';
import { noRoom, notPlain, PlainEncoder } from './plain/encoder.js';
import { mark } from './plain/format.js';

/*
 * Plain data goes in a format of our own, straight into the ring, see plain/format.ts. Plain
 * data with one object at several places goes through msgpackr, and all else (a cycle, a Map,
 * an Error, …) through V8's serializer, which is what `process.send` uses, and which throws for
 * what cannot be cloned. They are told apart by their first byte: V8 begins with 0xff and a
 * version, which in MessagePack is the number -1 and then ends.
 */

const v8Marker = 0xff;

/** Deeper values, and so all cyclic ones, are left to V8. */
const maxDepth = 32;

/** Most messages fit into this; one that does not is encoded a second time. */
const leastRoom = 512;

/**
 * A copy of msgpackr for this module alone. Its packing buffer is one for all users of the
 * module: shared with the application, the application's next message would be written
 * into our ring.
 */
function loadPackr(): typeof PackrClass {
  const require = createRequire(import.meta.url);
  // The build that compiles no code from strings and asks for no native helper.
  const path = require.resolve('msgpackr/index-no-eval');
  const others = require.cache[path];
  Reflect.deleteProperty(require.cache, path);
  try {
    return (require(path) as { Packr: typeof PackrClass }).Packr;
  } finally {
    if (others) require.cache[path] = others;
    else Reflect.deleteProperty(require.cache, path);
  }
}

const Packr = loadPackr();
const packr = new Packr({
  structuredClone: true, // an object that occurs twice stays one object
  useRecords: false,
  mapsAsObjects: true,
  copyBuffers: true, // what is decoded must not lie in the ring
});

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
      return length === notPlain ? encodeElsewhere(value) : room.subarray(0, length);
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
        return length === notPlain ? encodeElsewhere(value) : length;
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
      if (bytes[start] === mark) return decoder.decode(bytes, start, end);
      try {
        if (bytes[start] === v8Marker && end - start > 1) {
          // V8 makes views on what it reads from, which here is the ring: hence a copy.
          return deserialize(Buffer.from(bytes.subarray(start, end))) as unknown;
        }
        return packr.unpack(bytes, { start, end }) as unknown;
      } catch (error) {
        const detail = `expected a structured value in ${end - start} bytes`;
        throw new ShmError('ERR_CORRUPT', detail, 'channel.receive', undefined, error);
      }
    },
  };
}

/** What is no plain data, or has one object at two places. */
function encodeElsewhere(value: unknown): Uint8Array {
  if (!isPlain(value, maxDepth)) return serialize(value);
  packr.useBuffer(scratch);
  const packed = packr.pack(value);
  // It outgrew the buffer and made a larger one: that serves the next ones.
  if (packed.buffer !== scratch.buffer) scratch = Buffer.allocUnsafeSlow(2 * packed.length);
  return packed;
}

/** Whether msgpackr gives back exactly what the structured clone algorithm would. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed(); // UTF-8 has no lone surrogates
    case 'number':
      return value !== 0 || 1 / value > 0; // not -0
    case 'boolean':
    case 'undefined':
      return true;
    case 'object':
      return value === null || (depth > 0 && isPlainObject(value, depth - 1));
    default:
      return false;
  }
}

function isPlainObject(value: object, depth: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    for (const key in value) {
      if (key === '__proto__' || !isPlain((value as Record<string, unknown>)[key], depth)) {
        return false;
      }
    }
    return true;
  }
  if (prototype === Array.prototype) {
    const array = value as unknown[];
    for (let i = 0; i < array.length; i++) {
      const element = array[i];
      // A hole is not an undefined.
      if (element === undefined ? !(i in array) : !isPlain(element, depth)) return false;
    }
    return true;
  }
  return prototype === Buffer.prototype || prototype === Uint8Array.prototype;
}
