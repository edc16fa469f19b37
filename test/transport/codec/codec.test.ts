import { once } from 'node:events';
import { runInNewContext } from 'node:vm';
import { deserialize, serialize } from 'node:v8';
import { expect } from 'chai';
import fc from 'fast-check';
import { Channel, type Codec, type ShmError } from '../../../src/index.js';
import { thrown } from '../../support/errors.js';
import { describeValue } from './describe-value.js';

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

  it('gives each Buffer and typed array an ArrayBuffer of its own, to be transferred', () => {
    const views = (): NodeJS.ArrayBufferView[] => [
      ...[Buffer.from('abc'), Buffer.from('x'.repeat(1000)), Buffer.alloc(9000, 1)],
      ...[new Uint8Array(10), new Float64Array(10), new DataView(new ArrayBuffer(3))],
    ];
    const large = new Float64Array(1000);
    for (const value of [views(), { views: views(), map: new Map([[1, views()]]) }, [large]]) {
      const received: NodeJS.ArrayBufferView[] = [];
      const collect = (part: unknown): void => {
        if (ArrayBuffer.isView(part)) received.push(part as NodeJS.ArrayBufferView);
        else if (part instanceof Map) part.forEach(collect);
        else if (typeof part === 'object' && part !== null) Object.values(part).forEach(collect);
      };
      collect(through<unknown>(value));
      for (const [i, view] of received.entries()) {
        const { byteLength } = view;
        structuredClone(view, { transfer: [view.buffer as ArrayBuffer] });
        expect(view.buffer.byteLength, 'transferred').to.equal(0);
        for (const other of received.slice(i + 1)) expect(other.byteLength).to.be.greaterThan(0);
        expect(byteLength).to.be.greaterThan(0);
      }
    }
  });

  it('refuses a view whose buffer was transferred', () => {
    const bytes = new Uint8Array(8);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    for (const value of [bytes, { bytes }, new Map([[1, bytes]])]) {
      expect(() => through<unknown>(value)).to.throw(TypeError, /detached ArrayBuffer/);
    }
  });

  it('refuses a Module of WebAssembly, which its peer could not read', () => {
    const { WebAssembly } = globalThis as unknown as {
      WebAssembly: { Module: new (bytes: Uint8Array) => object };
    };
    const module = new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    expect(() => through<unknown>({ module })).to.throw('#<Module> could not be cloned.');
    expect(() => through<unknown>(module)).to.throw('#<Module> could not be cloned.');
  });

  it('carries properties with names of the arrays that mostly have them', () => {
    const found = through(/b(?<c>.)/.exec('abc'))!;
    expect([found.index, found.input, found[0]]).to.deep.equal([1, 'abc', 'bc']);
    const dictionary = Object.assign([], { name: 'n' });
    expect(through({ dictionary }).dictionary).to.have.property('name', 'n');
    expect(
      through(Object.assign([1], { name: 'n' })),
      'others have lost them',
    ).to.not.have.property('name');
  });

  it('leaves out the look for plain data where there was none, and takes it up again', () => {
    const one = Channel.create();
    const other = Channel.open(one.handle);
    let runs = 0;
    for (let i = 0; i < 200; i++) {
      const value = { get i() { return (runs++, i); }, rest: i % 100 < 50 ? new Map() : [1] }; // prettier-ignore
      expect(one.send(value)).to.equal(true);
      expect(other.receiveSync()).to.deep.equal({ i, rest: i % 100 < 50 ? new Map() : [1] });
    }
    expect(runs).to.equal(200);
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
        // Not by isDeepStrictEqual nor by V8's bytes: an invalid date holds one of several NaN.
        expect(describeValue(other.receiveSync())).to.equal(describeValue(expected));
      }),
      { numRuns: 3000 },
    );
    void one.close();
    void other.close();
  });
});

describe('codec bytes', () => {
  const pair = (): [Channel<Uint8Array>, Channel<Uint8Array>] => {
    const one = Channel.create<Uint8Array>({ codec: 'bytes' });
    return [one, Channel.open<Uint8Array>(one.handle, { codec: 'bytes' })];
  };

  it('takes bytes of any realm and class, and gives Buffers that can be transferred', () => {
    const [one, other] = pair();
    const own = Object.defineProperty(Uint8Array.of(1, 2, 3), 'length', { value: 1 });
    const values = [
      Buffer.from([1, 2, 3]),
      Buffer.from([0, 1, 2, 3]).subarray(1),
      runInNewContext('Uint8Array.of(1, 2, 3)') as Uint8Array,
      new (class extends Uint8Array {})([1, 2, 3]),
      own,
    ];
    for (const value of values) {
      expect(one.send(value)).to.equal(true);
      const got = other.receiveSync(0)!;
      expect(Buffer.isBuffer(got) && [...got]).to.deep.equal([1, 2, 3]);
      expect(got.buffer.byteLength).to.equal(3);
      structuredClone(got, { transfer: [got.buffer as ArrayBuffer] });
      expect(got.byteLength).to.equal(0);
    }
    expect(one.send(new Uint8Array(0))).to.equal(true);
    expect(other.receiveSync(0)).to.have.length(0);
    void one.close();
    void other.close();
  });

  it('refuses all else, and bytes that were transferred', () => {
    const [one, other] = pair();
    const gone = new Uint8Array(8);
    structuredClone(gone, { transfer: [gone.buffer] });
    const wrong = [gone, new DataView(new ArrayBuffer(2)), new Uint16Array(1), [1], 'text', null];
    for (const value of wrong) {
      const error = thrown(() => one.send(value as Uint8Array));
      expect(error).to.include({ code: 'ERR_INVALID_ARG', operation: 'channel.send' });
      expect(error.message).to.match(/value must be a Uint8Array/);
    }
    expect(other.receiveSync(0)).to.equal(undefined);
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

  it('that makes anything but bytes gets an error, and nothing is sent', () => {
    const results: unknown[] = ['text', undefined, null, 5, new ArrayBuffer(4), [1], {}];
    const codec: Codec<unknown> = {
      encode: value => results[value as number] as Uint8Array,
      decode: bytes => bytes.length,
    };
    const one = Channel.create({ codec });
    const other = Channel.open(one.handle, { codec });
    results.push(Promise.resolve(Buffer.alloc(3)), Buffer.alloc(3));
    for (let i = 0; i < results.length - 1; i++) {
      for (const send of [() => one.send(i), () => one.sendSync(i)]) {
        const error = thrown(send);
        expect(error.code).to.equal('ERR_INVALID_ARG');
        expect(error.message).to.match(/what the codec made must be a Uint8Array, got /);
      }
    }
    expect(one.send(results.length - 1)).to.equal(true);
    expect([other.receiveSync(0), other.receiveSync(0)]).to.deep.equal([3, undefined]);
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
