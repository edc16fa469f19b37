import { DefaultDeserializer, DefaultSerializer } from 'node:v8';
import { limitResizable } from './resizable.js';

/*
 * Values by V8's serializer, as `process.send` with `serialization: 'advanced'` uses it: the same
 * values are taken, and the same are refused. Node's own classes for that are internal; what they
 * add to the public ones is that an object of the host is sent as its enumerable properties.
 */

/** Stands before each object that V8 leaves to its embedder. */
const HostTag = { view: 0, properties: 1 } as const;

/** What @types/node does not declare. */
interface HostWriter {
  _writeHostObject(object: object): void;
}
interface HostReader {
  _readHostObject(): unknown;
}

const defaultWriter = DefaultSerializer.prototype as unknown as HostWriter;
const defaultReader = DefaultDeserializer.prototype as unknown as HostReader;

function writeHostObject(this: DefaultSerializer, object: object): void {
  if (ArrayBuffer.isView(object)) {
    this.writeUint32(HostTag.view);
    defaultWriter._writeHostObject.call(this, object);
  } else {
    this.writeUint32(HostTag.properties);
    this.writeValue({ ...object });
  }
}

function readHostObject(this: DefaultDeserializer): unknown {
  const tag = this.readUint32();
  if (tag === HostTag.view)
    return ownView(defaultReader._readHostObject.call(this) as NodeJS.ArrayBufferView);
  if (tag === HostTag.properties) return this.readValue();
  throw new RangeError(`expected a tag of the host, got ${tag}`);
}

/**
 * A view comes as a part of the message, or of Node's pool. It gets an ArrayBuffer of its own, which
 * can be transferred without taking others with it, unless it is most of the message.
 */
function ownView(view: NodeJS.ArrayBufferView): NodeJS.ArrayBufferView {
  const { buffer, byteOffset, byteLength } = view;
  // Nothing is more than half of the pool.
  if (byteLength > buffer.byteLength / 2) return view;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  if (Buffer.isBuffer(view)) return ownBuffer(bytes);
  const Kind = view.constructor as new (buffer: ArrayBufferLike) => NodeJS.ArrayBufferView;
  return new Kind(new Uint8Array(bytes).buffer);
}

/** A Buffer with an ArrayBuffer of its own, not a part of Node's pool: it can be transferred. */
export function ownBuffer(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/**
 * @returns the bytes, which begin with 0xff
 * @throws what V8 does for what cannot be cloned: `#<Promise> could not be cloned.`
 */
export function serialize(value: unknown): Buffer {
  // Deriving classes would cost a tenth of the time of a small message.
  const serializer = new DefaultSerializer();
  (serializer as unknown as HostWriter)._writeHostObject = writeHostObject;
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

/**
 * @param message private, perhaps a part of Node's pool: what is read may be a part of it
 * @throws {RangeError} see {@link limitResizable}; and what V8 does for what it has not written
 */
export function deserialize(message: Buffer): unknown {
  const deserializer = new DefaultDeserializer(message);
  (deserializer as unknown as HostReader)._readHostObject = readHostObject;
  deserializer.readHeader();
  const value: unknown = deserializer.readValue();
  limitResizable(message, value);
  return value;
}
