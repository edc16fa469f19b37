import { createRequire } from 'node:module';
import { deserialize, serialize } from 'node:v8';
import type { Packr as PackrClass } from 'msgpackr';
import type { RangeCodec } from './codec.js';

/*
 * msgpackr writes plain data straight into the ring, several times as fast as V8's own
 * serializer. What it cannot carry faithfully (a cycle, a Map, an Error, -0, …) goes through
 * V8's, which is what `process.send` uses, and which throws for what cannot be cloned. The
 * two are told apart by their first byte: V8 begins with 0xff and a version, which in
 * MessagePack is the number -1 and then ends.
 */

const v8Marker = 0xff;

/** Deeper values, and so all cyclic ones, are left to V8. */
const maxDepth = 32;

/** msgpackr starts no message with less room than this. */
const leastRoom = 2048 + 16;

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
let scratch = Buffer.allocUnsafeSlow(64 * 1024);

export const structured: RangeCodec<unknown> = {
  inPlace: leastRoom,

  encodeInto(value, target, start, end) {
    if (!isPlain(value, maxDepth)) return serialize(value);
    const room = target.subarray(start, end);
    packr.useBuffer(room);
    const packed = packr.pack(value);
    return packed.buffer === room.buffer && packed.byteOffset === room.byteOffset
      ? packed.length
      : packed;
  },

  encode(value) {
    if (!isPlain(value, maxDepth)) return serialize(value);
    packr.useBuffer(scratch);
    const packed = packr.pack(value);
    // It outgrew the buffer and made a larger one: that serves the next ones.
    if (packed.buffer !== scratch.buffer) scratch = Buffer.allocUnsafeSlow(2 * packed.length);
    return packed;
  },

  decode(bytes, start, end) {
    if (bytes[start] === v8Marker && end - start > 1) {
      // V8 makes views on what it reads from, which here is the ring: hence a copy.
      return deserialize(Buffer.from(bytes.subarray(start, end))) as unknown;
    }
    return packr.unpack(bytes, { start, end }) as unknown;
  },
};

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
