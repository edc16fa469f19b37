/* eslint-disable no-sparse-arrays */
import { createSecretKey } from 'node:crypto';
import vm from 'node:vm';

/** Makes a value; `count` is to be called by what must run once for each time it is sent. */
export type Make = (count: (what?: string) => void) => unknown;

class Point {
  x = 1;
  readonly #hidden = 2;
  get sum(): number {
    return this.x + this.#hidden;
  }
  toJSON(): string {
    return 'not asked for';
  }
}
class AppError extends Error {
  override name = 'AppError';
  code = 'E_APP';
}
class Bytes extends Uint8Array {}
class List extends Array<unknown> {}

const changed = (value: object, prototype: object | null) => {
  Object.setPrototypeOf(value, prototype);
  return value;
};
const define = (value: object, key: PropertyKey, descriptor: PropertyDescriptor) =>
  Object.defineProperty(value, key, descriptor);
const nested = (levels: number) => {
  let value: unknown = 'innermost';
  for (let i = 0; i < levels; i++) value = i % 2 ? [value] : { value };
  return value;
};
const args: (...values: unknown[]) => unknown = function () {
  return arguments; // eslint-disable-line prefer-rest-params
};
const otherRealm = (code: string) => vm.runInNewContext(code) as unknown;
const counted = (count: (what?: string) => void, value: object, ...keys: string[]) => {
  for (const key of keys) {
    define(value, key, { enumerable: true, configurable: true, get: () => (count(key), key) });
  }
  return value;
};
const namespace = await import('./exotic-namespace.js');
const constructors = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
];
const { Float16Array: Half } = globalThis as { Float16Array?: Float32ArrayConstructor };
const ResizableBuffer = ArrayBuffer as new (length: number, options: object) => ArrayBuffer;

/** What a user may send, or try to. Each is made anew for each sending. */
export const exotic: Record<string, Make> = {
  undefined: () => undefined,
  null: () => null,
  booleans: () => [true, false],
  '-0': () => -0,
  '-0 inside': () => ({ a: [-0, 0] }),
  'numbers at the bounds': () => [NaN, Infinity, -Infinity, 2 ** 31, -(2 ** 31), 2 ** 53, 5e-324],
  BigInts: () => [0n, 2n ** 63n, -(2n ** 63n), 2n ** 64n, -(2n ** 200n)],
  'a large BigInt alone': () => 2n ** 500n,
  'boxed primitives': () => [
    new Number(-0),
    new String('ab'),
    new Boolean(false),
    Object(7n) as unknown,
  ],
  'a boxed symbol': () => Object(Symbol('s')) as unknown,
  'strings of all widths': () => ['', 'a', 'ÿ', 'Ā', '日本', '😀'.repeat(30), '\0', '\u2028'],
  'lone surrogates': () => ['\ud800', 'a\udfff', { '\ud800': '\udc00\ud800' }],
  'a very long string': () => 'x'.repeat(3_000_000),
  'a very long string of two bytes a unit': () => 'ж'.repeat(1_000_000),
  'a symbol': () => Symbol('s'),
  'a symbol inside': () => ({ a: [Symbol('s')] }),
  'symbol keys': () => ({ [Symbol('s')]: 1, a: 2 }),
  'a function': () => () => 1,
  'a function inside': () => ({ f() {} }),
  'a class': () => Point,
  dates: () => [new Date(0), new Date(8.64e15), new Date(NaN)],
  'a date with a property': () => Object.assign(new Date(7), { x: 1 }),
  'a RegExp with lastIndex': () => Object.assign(/a(?<n>b)/gi, { lastIndex: 3 }),
  'a Map': () =>
    new Map<unknown, unknown>([
      [{ a: 1 }, new Set([1, NaN])],
      [NaN, -0],
    ]),
  'a Map with a property': () => Object.assign(new Map([[1, 2]]), { x: 1 }),
  'a Set within itself': () => {
    const set = new Set<unknown>();
    return set.add(set);
  },
  'a WeakMap': () => new WeakMap(),
  'a WeakSet inside': () => ({ a: new WeakSet() }),
  'a WeakRef': () => new WeakRef({}),
  'a Promise': () => Promise.resolve(1),
  'a generator': () => (function* () {})(),
  iterators: () => [[1].values()],
  'a Map iterator': () => new Map([[1, 2]]).entries(),
  errors: () => [new Error('e'), new TypeError('t'), new RangeError('r'), new EvalError('v')],
  'an error with a cause': () => new Error('outer', { cause: new SyntaxError('inner') }),
  'an error within its cause': () => {
    // Node 20 writes it, and cannot read it: that ends a child.
    if (process.versions.node.startsWith('20.')) return 'not in this Node';
    const error = new URIError('u', { cause: {} });
    (error.cause as { error: Error }).error = error;
    return { error };
  },
  'an error of an own class': () => new AppError('m'),
  'an error with properties': () => Object.assign(new ReferenceError('r'), { code: 'C' }),
  'an error whose message is no string': () =>
    define(new Error('x'), 'message', { value: { toString: () => 'made' } }),
  'an error whose name is an accessor': count =>
    define(new Error('x'), 'name', { get: () => (count('name'), 'TypeError') }),
  'an AggregateError': () => new AggregateError([new Error('x')], 'many'),
  'a DOMException': () => new DOMException('m', 'AbortError'),
  'typed arrays': () => constructors.map(Kind => Kind.of(1, 2, 200)),
  'typed arrays of BigInts': () => [BigInt64Array.of(-1n), BigUint64Array.of(2n ** 64n - 1n)],
  'a Float16Array': () => (Half ? Half.of(1.5, NaN) : 'none in this Node'),
  'parts of one ArrayBuffer': () => {
    const buffer = Uint8Array.from({ length: 32 }, (_, i) => i).buffer;
    return [
      new Uint16Array(buffer, 4, 3),
      new DataView(buffer, 3, 5),
      new Uint8Array(buffer, 2, 4),
    ];
  },
  'a typed array twice': () => {
    const floats = new Float64Array([1, 2]);
    return [floats, floats];
  },
  'empty typed arrays': () => [new Uint8Array(0), new Float64Array(0), Buffer.alloc(0)],
  'a typed array of an own class': () => Bytes.of(1, 2),
  'a Uint8Array with a length of its own': () =>
    define(Uint8Array.of(1, 2, 3, 4), 'length', { value: 2 }),
  'a Uint8Array that says it is a Buffer': () =>
    define(Uint8Array.of(1, 2), 'constructor', { value: Buffer }),
  'a Float64Array with the prototype of another': () =>
    changed(Float64Array.of(1, 2), Uint8Array.prototype),
  'an ArrayBuffer': () => Uint8Array.of(1, 2, 3).buffer,
  'an ArrayBuffer twice': () => {
    const { buffer } = Uint8Array.of(1, 2, 3);
    return [buffer, buffer];
  },
  'a resizable ArrayBuffer': () => new ResizableBuffer(8, { maxByteLength: 16 }),
  'a view that tracks its length': () =>
    new Uint8Array(new ResizableBuffer(8, { maxByteLength: 16 })),
  'a SharedArrayBuffer': () => new SharedArrayBuffer(8),
  'a view on shared memory': () => new Uint8Array(new SharedArrayBuffer(8)),
  'a transferred ArrayBuffer': () => {
    const buffer = new ArrayBuffer(8);
    structuredClone(buffer, { transfer: [buffer] });
    return buffer;
  },
  'a view on a transferred ArrayBuffer': () => {
    // From 24 on `process.send` makes an empty one of it; refusing it loses nothing unnoticed.
    if (parseInt(process.versions.node) >= 24) return 'refused here';
    const bytes = new Uint8Array(8);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    return { bytes };
  },
  Buffers: () => [
    Buffer.from('of the pool'),
    Buffer.alloc(9000, 7),
    Buffer.from('cut').subarray(1),
  ],
  'a Buffer beside a Map': () => [Buffer.from('abc'), new Map([[1, Buffer.from('def')]])],
  'an array with holes': () => [1, , 3, undefined, ,],
  'a sparse array': () => {
    const array: unknown[] = [];
    array[100_000] = 1;
    return array;
  },
  'a dictionary that was an array': () => Object.assign([], { name: 'n', 'x y': 1 }),
  'what RegExp.exec gives': () => /b(?<rest>.)/.exec('abc'),
  'an array of an own class': () => List.of<unknown>(1, { a: 2 }),
  'an array without a prototype': () => changed([1, 2], null),
  'an array with the prototype of objects': () => changed([1, 2], Object.prototype),
  'an empty array with the prototype of objects': () => changed([], Object.prototype),
  arguments: () => args(1, 'b'),
  'no arguments': () => args(),
  'arguments inside': () => ({ a: [args({ b: 1 })] }),
  'a class instance': () => new Point(),
  'an object without a prototype': () => Object.assign(Object.create(null) as object, { a: 1 }),
  'an object that inherits': () =>
    Object.create({ inherited: 1 }, { own: { value: 2, enumerable: true } }) as unknown,
  'a Map with the prototype of objects': () => changed(new Map([[1, 2]]), Object.prototype),
  'a Map that has a property and the prototype of objects': () =>
    changed(Object.assign(new Map([[1, 2]]), { only: 1 }), Object.prototype),
  'a Set without a prototype': () => changed(new Set([1]), null),
  'a Date with the prototype of objects': () => changed(new Date(5), Object.prototype),
  'a RegExp with the prototype of objects': () => changed(/x/g, Object.prototype),
  'an Error with the prototype of objects': () => changed(new Error('m'), Object.prototype),
  'an Error without a prototype': () => changed(Object.assign(new Error('m'), { code: 1 }), null),
  'a Promise with the prototype of objects': () => changed(Promise.resolve(), Object.prototype),
  'a WeakMap with the prototype of objects': () => changed(new WeakMap(), Object.prototype),
  'a boxed string with the prototype of objects': () => changed(new String('ab'), Object.prototype),
  'an ArrayBuffer without a prototype': () => changed(new ArrayBuffer(3), null),
  'an object with the prototype of dates': () => Object.create(Date.prototype) as unknown,
  'an object with the prototype of arrays': () => Object.create(Array.prototype) as unknown,
  'an object with the prototype of Buffers': () =>
    Object.create(Buffer.prototype as object) as unknown,
  'the prototype of Maps': () => Map.prototype as unknown,
  'the prototype of objects': () => Object.prototype,
  'an own key __proto__': () => JSON.parse('{"__proto__":{"x":1},"a":1}') as unknown,
  'an own key __proto__ in a Map': () =>
    new Map([[1, JSON.parse('{"__proto__":null}') as unknown]]),
  'keys that all objects inherit': () => ({ constructor: 1, toString: 2, hasOwnProperty: 3, a: 4 }),
  'keys of all kinds': () => ({
    '': 1,
    ' ': 2,
    '-1': 3,
    'a\0b': 4,
    ü: 5,
    '€': 6,
    length: 7,
    '01': 8,
  }),
  'keys that read like numbers': () => ({
    b: 1,
    2: 2,
    1: 3,
    4294967295: 4,
    4294967294: 5,
    '-0': 6,
  }),
  'many keys': () => Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i])),
  'a toJSON and a toString of its own': () => ({ toJSON: 1, toString: 'x', valueOf: null }),
  'properties that cannot be enumerated': () => define({ a: 1 }, 'hidden', { value: 2 }),
  'frozen objects': () => Object.freeze({ a: Object.freeze([1]), b: Object.freeze(new Map()) }),
  'a sealed null prototype': () =>
    Object.seal(Object.assign(Object.create(null) as object, { a: 1 })),
  'a cycle': () => {
    const value: Record<string, unknown> = { list: [] };
    (value.list as unknown[]).push(value);
    return Object.assign(value, { self: value });
  },
  'one object at several places': () => {
    const shared = { a: [new Date(1)] };
    return { shared, list: [shared, shared.a], map: new Map([[shared, shared.a]]) };
  },
  'many objects twice': () => {
    const objects = Array.from({ length: 100 }, (_, i) => ({ i }));
    return [...objects, ...objects];
  },
  'sixty-four levels': () => nested(64),
  'two hundred levels': () => nested(200),
  'a thousand levels': () => nested(1000),
  'an accessor': count => counted(count, { before: 1 }, 'b', 'a', '1'),
  'an accessor of a long string': count => ({
    get text() {
      count();
      return 'y'.repeat(2000);
    },
    list: ['z'.repeat(100_000)],
  }),
  'an accessor before a Map': count => ({
    ...{ x: 1 },
    inner: counted(count, {}, 'p', 'q'),
    map: new Map(),
  }),
  'an accessor after a Map': count => counted(count, { map: new Map([[1, 2]]) }, 'late'),
  'accessors around all that is not plain': count => {
    const shared = { a: 1 };
    return counted(
      count,
      {
        inner: counted(count, { shared }, 'b', 'c'),
        holes: [shared, , , 4],
        error: new Error('e'),
        large: 2n ** 90n,
        instance: new Point(),
        exec: /b/.exec('abc'),
        deep: nested(90),
        proto: JSON.parse('{"__proto__":5}') as unknown,
        bytes: Buffer.from('abc'),
        again: shared,
        date: new Date(NaN),
      },
      'last',
    );
  },
  'an accessor before what is refused': count => counted(count, { f() {} }, 'never'),
  'accessors before what is refused': count => ({ first: counted(count, {}, 'a'), f() {} }),
  'an accessor of an array': count => {
    const array = [1, 2, new Map()];
    return define(array, 1, { enumerable: true, get: () => (count(), { made: 1 }) });
  },
  'an accessor that replaces itself': count => {
    const value = { map: undefined as unknown };
    return define(value, 'map', {
      enumerable: true,
      configurable: true,
      get() {
        count();
        define(value, 'map', { value: new Map([[1, 2]]), enumerable: true });
        return value.map;
      },
    });
  },
  'an accessor that throws': count => ({
    get bad(): unknown {
      count();
      throw new RangeError('of the user');
    },
  }),
  'an accessor that deletes what comes next': count => {
    const value: Record<string, unknown> = {};
    define(value, 'a', { enumerable: true, get: () => (count(), delete value.b) });
    return Object.assign(value, { b: 1, c: 2 });
  },
  'a setter alone': () => ({ set a(_: unknown) {}, b: 1 }),
  'a Proxy': () => new Proxy({ a: 1 }, {}),
  'a Proxy of an array': () => new Proxy([1], {}),
  'a Proxy of a Buffer': () => new Proxy(Buffer.from('a'), {}),
  'a Proxy inside': () => ({ a: [new Proxy({ b: 1 }, {})] }),
  'a Proxy that counts': count => {
    const handler = new Proxy({}, { get: (_, trap) => count(String(trap)) });
    return { a: new Proxy({ b: 1 }, handler) };
  },
  'a revoked Proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return [proxy];
  },
  'the namespace of a module': () => namespace,
  'Math and JSON': () => [Math, JSON],
  'the environment': () => process.env,
  'host objects': () => [new URL('http://x/'), new URLSearchParams('a=1'), new TextEncoder()],
  'a Blob': () => ({ blob: new Blob(['x']) }),
  'a KeyObject': () => ({ key: createSecretKey(Buffer.from('k')) }),
  'an AbortSignal': () => AbortSignal.abort(),
  'a MessagePort': () => {
    const { port1 } = new MessageChannel();
    port1.close();
    return { port1 };
  },
  'Headers and Events': () => [new Headers({ a: 'b' }), new Event('e')],
  'objects of Intl': () => new Intl.NumberFormat('en'),
  'plain data of another realm': () => otherRealm('({ a: [1, { b: [] }], c: "d" })'),
  'all kinds of another realm': () =>
    otherRealm('[new Date(3), new Map([[1, 2]]), /x/g, new Set([1]), new Uint8Array([1, 2]), 5n]'),
  'an error of another realm': () => otherRealm('Error.stackTraceLimit = 1; new TypeError("vm")'),
  'a Proxy of another realm': () => otherRealm('new Proxy({}, {})'),
  'data of another realm within ours': () => ({ a: otherRealm('({ b: 1 })'), c: [1] }),
};
