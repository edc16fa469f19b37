import { types } from 'node:util';

/*
 * V8's serializer goes by what an object was made as, whatever its prototype is now; an object
 * with the prototype of plain ones may be anything. Asking for each kind costs more than writing a
 * small object, so the encoder asks where anything but a plain object is likely.
 */

/** Whether V8 takes it for an object like `{}`: nothing else, whatever prototype it was given. */
export function isOrdinary(value: object): boolean {
  return !(
    Array.isArray(value) ||
    types.isNativeError(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isArgumentsObject(value) ||
    types.isBoxedPrimitive(value) ||
    ArrayBuffer.isView(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isPromise(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    types.isGeneratorObject(value) ||
    types.isMapIterator(value) ||
    types.isSetIterator(value) ||
    types.isModuleNamespaceObject(value) ||
    types.isExternal(value)
  );
}

const nothing: object = [];

/** Whether all objects or arrays have inherited properties, which enumeration and holes show too. */
export function isPolluted(): boolean {
  for (const key in nothing) return key !== undefined;
  return false;
}

/**
 * Whether an array has properties with names besides its elements, as the result of RegExp.exec
 * has, or an array that serves as a dictionary. Other arrays are not searched, since that would
 * cost more than writing the elements: see ADR-0006.
 */
export function hasNames(array: unknown[]): boolean {
  return 'index' in array || (array.length === 0 && Object.keys(array).length > 0);
}

/** Longer arrays are left to V8 where names have to be found: their keys cost more than they do. */
const longestSearched = 64;

/** Whether an array may have such properties: the exact answer for a short one, yes for a long one. */
export function mayHaveNames(array: unknown[]): boolean {
  if (array.length > longestSearched) return true;
  // Keys that are indices come first.
  const last = Object.keys(array).at(-1);
  return last !== undefined && String(Number(last) >>> 0) !== last;
}

/** Elements of an array that are worth looking at one by one. */
const fewElements = 32;

// Cheaper than a descriptor, which is an object.
const { __lookupGetter__: lookupGetter } = Object.prototype as unknown as {
  __lookupGetter__: (this: object, key: string) => unknown;
};

/** Whether reading these objects has called functions of the user. */
export function hasAccessors(objects: Iterable<object | undefined>): boolean {
  for (const object of objects) {
    if (object === undefined || types.isProxy(object) || ArrayBuffer.isView(object)) continue;
    if (Array.isArray(object) && object.length > fewElements) continue;
    for (const key of Object.keys(object)) {
      if (lookupGetter.call(object, key) !== undefined) return true;
    }
  }
  return false;
}

/** The index of the first element after a missing one; the length where there is none. */
export function nextElement(array: unknown[], hole: number): number {
  for (const key of Object.keys(array)) {
    const index = Number(key);
    if (index > hole && index < array.length) return index;
  }
  return array.length;
}

const { get: lengthOfView } = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  'length',
)! as { get: (this: NodeJS.TypedArray) => number };

/**
 * The length of a Uint8Array, also of one with a `length` of its own; -1: its buffer was
 * transferred, so that it is not an empty one.
 */
export function byteLength(bytes: Uint8Array): number {
  const length = lengthOfView.call(bytes);
  return length === 0 && isDetached(bytes.buffer) ? -1 : length;
}

/** Node 20 knows no other way to ask. */
function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    return new Uint8Array(buffer, 0, 0).length !== 0;
  } catch {
    return true;
  }
}

/**
 * A Module of WebAssembly is written as nothing, without an error, and then nothing of its message
 * can be read.
 *
 * @throws {Error} as V8 does for what cannot be cloned
 */
export function refuseModule(value: unknown): void {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return;
  if (Object.getPrototypeOf(value) !== modulePrototype) return;
  throw new Error('#<Module> could not be cloned.');
}

const { WebAssembly } = globalThis as { WebAssembly?: { Module: { prototype: object } } };
const modulePrototype = WebAssembly?.Module.prototype;
