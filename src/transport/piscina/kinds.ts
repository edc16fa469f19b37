import { keepFreedHeap } from '../../native/heap.js';
import { pageBytes } from './layout.js';

/** The kinds of views that keep their kind on the way, by the number that travels. */
const constructors: [name: string, make: ViewConstructor, elementBytes: number][] = [
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
    .map((type): [string, ViewConstructor, number] => [
      type.name,
      (buffer, offset, bytes) => new type(buffer, offset, bytes / type.BYTES_PER_ELEMENT),
      type.BYTES_PER_ELEMENT,
    ]),
];

type ViewConstructor = (buffer: ArrayBuffer, offset: number, bytes: number) => ArrayBufferView;

const numbers = new Map(constructors.map(([name], number) => [name, number]));

export const bytesKind = numbers.get('Uint8Array')!;

/** Undefined for a kind that this Node's other threads could not make either. */
export function kindOf(view: ArrayBufferView): number | undefined {
  if (Buffer.isBuffer(view)) return 0;
  return numbers.get(
    view instanceof DataView ? 'DataView' : (view as Uint8Array)[Symbol.toStringTag],
  );
}

/** A view of that kind; `offset` is a multiple of 16, or what a view of the kind had. */
export function viewOf(
  kind: number,
  buffer: ArrayBuffer,
  offset: number,
  bytes: number,
): ArrayBufferView {
  return constructors[kind]![1](buffer, offset, bytes);
}

/** The bytes of any view. */
export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** A view of that kind over memory of its own that holds the same bytes. */
export function copyOf(kind: number, bytes: Uint8Array): ArrayBufferView {
  const copy = bytes.length < pageBytes ? new Uint8Array(bytes) : largeCopyOf(bytes);
  return kind === bytesKind ? copy : viewOf(kind, copy.buffer, 0, bytes.length);
}

/** Not cleared first: every byte is written. That pays from about a page on. */
function largeCopyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  keepFreedHeap(bytes.length);
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return new Uint8Array(copy.buffer);
}

/** Whether bytes from a peer can be a view of that kind. */
export function fits(kind: number, offset: number, bytes: number): boolean {
  const element = constructors[kind]?.[2];
  return element !== undefined && offset % element === 0 && bytes % element === 0;
}
