import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { expect } from 'chai';
import fc from 'fast-check';
import { Channel, type Codec, type ShmError } from '../../../src/index.js';

/**
 * Two clones of one value are alike. Node calls invalid dates unequal, hence the bytes; chai
 * turns keys of a Map into strings, which not every object lets it do.
 */
function isSame(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) || serialize(a).equals(serialize(b));
}

/** Sends a value through a channel within this thread. */
function through<T>(value: T, codec?: Codec<T>): T {
  const options = codec ? { codec } : {};
  const one = Channel.create<T>(options);
  const other = Channel.open<T>(one.handle, options);
  try {
    expect(one.sendSync(value)).to.equal(true);
    return other.receiveSync() as T;
  } finally {
    void one.close();
    void other.close();
  }
}

const cyclic: Record<string, unknown> = { a: 1 };
cyclic.self = cyclic;
const twice = { q: 1 };
class Point {
  x = 1;
}

// What `process.send` with serialization 'advanced' carries, and a plain codec loses.
const values: Record<string, unknown> = {
  undefined,
  null: null,
  NaN: Number.NaN,
  '-0': -0,
  '-0 inside': { a: [-0] },
  '-1, which begins like a message of V8': -1,
  Infinity: Number.NEGATIVE_INFINITY,
  'a large integer': 2 ** 53,
  'a BigInt': 123456789012345678901234567890n,
  'a small BigInt': 5n,
  'a Date': new Date(5),
  'an invalid Date': new Date(Number.NaN),
  'a RegExp': /a+b/giu,
  'a Map': new Map<unknown, unknown>([[1, { a: 2 }]]),
  'a Set': new Set([1, 'a']),
  'a Buffer': Buffer.from('bytes'),
  'a Uint8Array inside': { a: new Uint8Array([1, 2, 3]) },
  'a Float64Array': new Float64Array([1.5, Number.NaN]),
  'a BigInt64Array': new BigInt64Array([1n]),
  'an ArrayBuffer': new ArrayBuffer(3),
  'an Error': new TypeError('bad', { cause: 'why' }),
  'a cycle': cyclic,
  'an array with a hole': [1, , 3], // eslint-disable-line no-sparse-arrays
  'an undefined field': { a: undefined },
  'a lone surrogate': 'x\ud800',
  'a string beyond ASCII': '日本 😀',
  'a long string': 'x'.repeat(100_000),
  'a __proto__ key': JSON.parse('{"__proto__":{"x":1},"a":1}') as unknown,
  'a class instance, as a plain object': new Point(),
  'a boxed number': Object(5) as unknown,
  'deep nesting': JSON.parse('['.repeat(100) + ']'.repeat(100)) as unknown,
};

describe('codec structured', () => {
  for (const [name, value] of Object.entries(values)) {
    it(`carries ${name} as V8 does`, () => {
      const expected: unknown = deserialize(serialize(value));
      const got = through(value);
      expect(got).to.deep.equal(expected);
      expect(Object.is(got, -0)).to.equal(Object.is(expected, -0));
      if (typeof expected === 'object' && expected !== null) {
        expect(Object.getPrototypeOf(got)).to.equal(Object.getPrototypeOf(expected));
      }
    });
  }

  it('keeps one object that occurs twice one object', () => {
    const [first, second] = through([twice, twice]);
    expect(first).to.equal(second);
  });

  it('hands out bytes that do not lie in the ring', () => {
    const one = Channel.create({ capacity: 4096 });
    const other = Channel.open(one.handle);
    one.send({ bytes: Buffer.alloc(100, 1), typed: new Uint16Array([7, 8]) });
    const got = other.receiveSync() as { bytes: Buffer; typed: Uint16Array };
    for (let i = 0; i < 100; i++) {
      one.send('overwrite '.repeat(100));
      other.receiveSync();
    }
    expect(got.bytes.equals(Buffer.alloc(100, 1))).to.equal(true);
    expect([...got.typed]).to.deep.equal([7, 8]);
    void one.close();
    void other.close();
  });

  it('carries generated values as V8 does', () => {
    const one = Channel.create();
    const other = Channel.open(one.handle);
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      stringUnit: 'binary',
      maxDepth: 4,
    });
    fc.assert(
      fc.property(anything, value => {
        let expected: unknown;
        try {
          expected = deserialize(serialize(value));
        } catch {
          expect(() => one.send(value)).to.throw(/could not be cloned/);
          return;
        }
        one.sendSync(value);
        expect(isSame(other.receiveSync(), expected)).to.equal(true);
      }),
      { numRuns: 3000 },
    );
    void one.close();
    void other.close();
  });
});

describe('codec of a user', () => {
  const date: Codec<Date> = {
    encode: value => Buffer.from(value.toISOString()),
    decode: bytes => new Date(Buffer.from(bytes).toString()),
  };

  it('is used both ways', () => {
    expect(through(new Date(1e12), date)).to.deep.equal(new Date(1e12));
  });

  it('may throw, and the channel goes on', () => {
    const one = Channel.create<Date>({ codec: date });
    const other = Channel.open<Date>(one.handle, { codec: date });
    expect(() => one.send(new Date(Number.NaN))).to.throw(RangeError);
    one.send(new Date(0));
    expect(other.receiveSync()).to.deep.equal(new Date(0));
    void one.close();
    void other.close();
  });

  it('may refuse what came: both ends are told that the channel is corrupt', async () => {
    const refusal = new RangeError('no date');
    const strict = {
      ...date,
      decode: () => {
        throw refusal;
      },
    };
    const one = Channel.create<Date>({ codec: date });
    const other = Channel.open<Date>(one.handle, { codec: strict });
    const errors = [once(one, 'error'), once(other, 'error')] as Promise<[ShmError]>[];
    for (const channel of [one, other]) channel.on('message', () => {});
    one.send(new Date(0));
    const [[told], [found]] = (await Promise.all(errors)) as [[ShmError], [ShmError]];
    expect([told.code, found.code]).to.deep.equal(['ERR_CORRUPT', 'ERR_CORRUPT']);
    expect(found.message).to.match(/does not take the 24 bytes/);
    expect(found.cause).to.equal(refusal);
  });
});
