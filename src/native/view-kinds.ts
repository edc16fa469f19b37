import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { ShmError } from '../errors.js';
import { keepFreedHeap } from './heap.js';
import { checkLength } from './limits.js';

/** From about this many bytes on it pays not to clear memory that is about to be overwritten. */
const clearedBytes = 4096;

type MakeView = (buffer: ArrayBuffer, offset: number, bytes: number) => ArrayBufferView;

/** The kinds of views that arrive as they were sent, by the number that travels. */
const kinds: [name: string, make: MakeView, elementBytes: number][] = [
  ['Buffer', (buffer, offset, bytes) => Buffer.from(buffer, offset, bytes), 1],
  ['DataView', (buffer, offset, bytes) => new DataView(buffer, offset, bytes), 1],
  ...[
    Uint8Array,
    Uint8ClampedArray,
    Int8Array,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
    BigUint64Array,
    BigInt64Array,
    (globalThis as { Float16Array?: typeof Float32Array }).Float16Array, // Node 24 has it
  ]
    .filter(type => type !== undefined)
    .map((type): [string, MakeView, number] => [
      type.name,
      (buffer, offset, bytes) => new type(buffer, offset, bytes / type.BYTES_PER_ELEMENT),
      type.BYTES_PER_ELEMENT,
    ]),
];

const numbers = new Map(kinds.map(([name], number) => [name, number]));

export const bytesKind = numbers.get('Uint8Array')!;

/** Names the kind of any realm's typed array; undefined for a DataView. */
const { get: kindName } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
) as { get: (this: unknown) => string | undefined };

/** @returns undefined for a kind that is not known here */
export function kindOf(view: ArrayBufferView): number | undefined {
  if (Buffer.isBuffer(view)) return 0;
  return numbers.get(kindName.call(view) ?? 'DataView');
}

/** A view of that kind; `offset` is a multiple of 16, or what a view of the kind had. */
export const viewOf = (kind: number, buffer: ArrayBuffer, offset: number, bytes: number) =>
  kinds[kind]![1](buffer, offset, bytes);

/** The bytes of any view. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** A view of that kind over memory of its own that holds the same bytes. */
export function copyOf(kind: number, bytes: Uint8Array): ArrayBufferView {
  if (bytes.length < clearedBytes) {
    const copy = new Uint8Array(bytes);
    return kind === bytesKind ? copy : viewOf(kind, copy.buffer, 0, bytes.length);
  }
  keepFreedHeap(bytes.length);
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return viewOf(kind, copy.buffer, 0, bytes.length);
}

/** Whether a place and length from another thread can be a view of that kind. */
export function isViewRange(kind: number, offset: number, bytes: number): boolean {
  const element = kinds[kind]?.[2];
  return element !== undefined && bytes >= 0 && offset % element === 0 && bytes % element === 0;
}

/** Whether it is a view of memory that no other thread sees: cloning copies that. */
export function isPrivateView(object: object): object is ArrayBufferView {
  return ArrayBuffer.isView(object) && types.isArrayBuffer(object.buffer);
}

/** Ordinary memory. @throws {ShmError} `ERR_OUT_OF_RANGE`, `ENOMEM` */
export function ownMemory(operation: string, length: number): Uint8Array<ArrayBuffer> {
  checkLength(operation, length);
  return new Uint8Array(make(ArrayBuffer, operation, length));
}

/** A copy that threads share. @throws {ShmError} `ENOMEM` */
export function sharedCopy(operation: string, bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(make(SharedArrayBuffer, operation, bytes.length));
  copy.set(bytes);
  return copy;
}

function make<T>(Memory: new (length: number) => T, operation: string, length: number): T {
  try {
    return new Memory(length);
  } catch (cause) {
    throw new ShmError('ENOMEM', `no memory for ${length} bytes`, operation, undefined, cause);
  }
}
