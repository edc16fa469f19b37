import { isDeepStrictEqual } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { expect } from 'chai';
import fc from 'fast-check';
import { notPlain } from '../../../src/transport/codec/plain/encoder.js';
import { maxDepth, maxShapes } from '../../../src/transport/codec/plain/format.js';
import { order, Pair } from './plain-pair.js';

describe('plain data', () => {
  it('tells the keys of an object once', () => {
    const pair = new Pair();
    const first = pair.encode(order(1));
    pair.encoder.sent();
    expect(pair.decode(first)).to.deep.equal(order(1));
    const second = pair.encode(order(2));
    expect(second).to.be.lessThan(first - 'idnametagsatcity'.length);
    expect(pair.decode(second)).to.deep.equal(order(2));
  });

  it('tells them again where the message was not sent', () => {
    const pair = new Pair();
    const first = pair.encode(order(1));
    expect(pair.encode(order(1)), 'lost once').to.equal(first);
    expect(pair.encode({ at: order(2), more: () => 1 })).to.equal(notPlain);
    pair.encoder.sent(); // of that value, by another codec
    expect(pair.encode(order(1))).to.equal(first);
    expect(pair.decode(first)).to.deep.equal(order(1));
  });

  it('makes ordinary objects', () => {
    const pair = new Pair();
    for (const value of [order(3), Object.assign(Object.create(null), { a: 1 })] as object[]) {
      const got = pair.through(value) as Record<string, unknown>;
      expect(Object.getPrototypeOf(got)).to.equal(Object.prototype);
      for (const key of Object.keys(value)) {
        expect(Object.getOwnPropertyDescriptor(got, key)).to.include({
          configurable: true,
          enumerable: true,
          writable: true,
        });
      }
      got.added = true;
      expect(pair.through(value)).not.to.have.property('added');
    }
  });

  it('keeps the order of keys, and keys that read like numbers', () => {
    const pair = new Pair();
    for (const value of [
      { b: 1, a: 2, '7': 3 },
      { a: 1, b: 2 },
      { '': 0, toString: 1 },
    ]) {
      for (let i = 0; i < 2; i++) {
        const got = pair.through(value) as object;
        expect(Object.entries(got)).to.deep.equal(Object.entries(value));
      }
    }
  });

  it('leaves to others what it cannot carry', () => {
    const pair = new Pair();
    const values = [
      new Map(),
      [, 1], // eslint-disable-line no-sparse-arrays
      /b/.exec('abc'),
      new Proxy({ a: 1 }, {}),
      Object.setPrototypeOf(new Map(), Object.prototype),
      Object.setPrototypeOf(new Error(), null),
      Object.setPrototypeOf([1], null),
      2n ** 64n,
      Object.create(Date.prototype),
      Object.create(Array.prototype),
      JSON.parse('['.repeat(maxDepth + 1) + ']'.repeat(maxDepth + 1)),
    ] as unknown[];
    for (const value of values) {
      expect(pair.encode(value)).to.equal(notPlain);
      expect(pair.encode({ a: [value] })).to.equal(notPlain);
    }
    expect(pair.through(order(1))).to.deep.equal(order(1));
  });

  it('goes on elsewhere where the room ends, at whatever byte', () => {
    const values = [order(1), ['x'.repeat(100), 'x'.repeat(20), '日本'], Buffer.alloc(50), 1.5];
    for (const value of values) {
      const whole = new Pair();
      const length = whole.encode(value);
      const bytes = whole.bytes(value);
      for (let room = 2; room < length + 9; room++) {
        const pair = new Pair(room);
        expect(pair.encode(value)).to.equal(length);
        if (room < length) expect(pair.hasMoved).to.equal(true);
        expect(pair.decode(length)).to.deep.equal(whole.decode(bytes.length));
      }
      expect(new Pair(length + 9).encode(value)).to.equal(length);
    }
  });

  it('keeps what stands at several places, or within itself, one object', () => {
    const pair = new Pair();
    const shared = [{ a: 1 }, [1], new Date(5), Buffer.from('b'), new Uint8Array(2)];
    const cyclic: Record<string, unknown> = { shared };
    cyclic.list = [cyclic, ...shared, ...shared];
    const got = pair.through(cyclic) as { shared: unknown[]; list: unknown[] };
    expect(got.list[0]).to.equal(got);
    for (const [i, value] of shared.entries()) {
      expect(got.shared[i]).to.deep.equal(value);
      expect(got.list[1 + i]).to.equal(got.shared[i]);
      expect(got.list[1 + shared.length + i]).to.equal(got.shared[i]);
    }
    const [a, b] = [{ a: 1 }, { b: 1 }];
    const pairs = pair.through([a, a, b, b, a]) as unknown[];
    expect(pairs).to.deep.equal([a, a, b, b, a]);
    expect(pairs[3]).to.equal(pairs[2]);
    expect(pairs[4]).to.equal(pairs[0]);
    const many = Array.from({ length: 100 }, (_, i) => ({ i }));
    const twice = pair.through([...many, ...many]) as { i: number }[];
    for (const [i, value] of twice.entries()) {
      expect(value).to.deep.equal({ i: i % 100 });
      expect(value).to.equal(twice[(i + 100) % 200]);
    }
  });

  it('counts objects from the beginning after an accessor threw', () => {
    const pair = new Pair();
    const failing = {
      get bad(): never {
        throw new Error('accessor');
      },
    };
    const value = { list: [1, failing] };
    expect(() => pair.encode(value)).to.throw('accessor');
    value.list.pop();
    expect(pair.through(value)).to.deep.equal({ list: [1] });
  });

  it('does not mistake what every object inherits for its own', () => {
    const pair = new Pair();
    Object.defineProperty(Object.prototype, 'inherited', {
      value: 1,
      enumerable: true,
      configurable: true,
    });
    const memory = Buffer.alloc(100);
    const length = pair.encoder.encode(order(1), memory, 0, 100);
    Reflect.deleteProperty(Object.prototype, 'inherited');
    expect(length).to.equal(notPlain);
  });

  it('goes on where there are more shapes than it remembers', () => {
    const pair = new Pair();
    for (let i = 0; i < 20 * maxShapes; i++) {
      const value = { [`key${i % (3 * maxShapes)}`]: { x: i }, always: order(i) };
      expect(pair.through(value)).to.deep.equal(value);
    }
    const dictionaries = Array.from({ length: 300 }, (_, i) =>
      Object.fromEntries(Array.from({ length: 5 + (i % 90) }, (_, j) => [`${i}:${j}`, { j }])),
    );
    for (const value of dictionaries) expect(pair.through(value)).to.deep.equal(value);
    expect(pair.through(order(1))).to.deep.equal(order(1));
  });

  it('carries generated values in any order, whichever of them are lost', () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.double(),
      fc.integer(),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.date({ noInvalidDate: true }),
      fc.uint8Array(),
      fc.constantFrom(null, undefined, true, false, -0, 127, 128, 'ÿ', 'Ā'),
    );
    // Few keys in many combinations: the same shapes come again and again.
    const key = fc.constantFrom('a', 'b', 'c', 'd', '1', '', 'ключ', 'constructor');
    const value = fc.letrec(tie => ({
      value: fc.oneof({ maxDepth: 5 }, leaf, tie('object'), tie('array')),
      object: fc.dictionary(key, tie('value'), { maxKeys: 6, noNullPrototype: false }),
      array: fc.array(tie('value'), { maxLength: 20 }),
    })).value;
    const pair = new Pair();
    fc.assert(
      fc.property(value, fc.boolean(), (sent, isLost) => {
        const length = pair.encode(sent);
        expect(length).to.be.greaterThan(0);
        if (isLost) return;
        pair.encoder.sent();
        const expected: unknown = deserialize(serialize(sent));
        const got = pair.decode(length);
        if (isDeepStrictEqual(got, expected)) return;
        expect(serialize(got).equals(serialize(expected))).to.equal(true);
      }),
      { numRuns: 3000 },
    );
  });
});
