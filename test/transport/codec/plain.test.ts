import { isDeepStrictEqual } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { expect } from 'chai';
import fc from 'fast-check';
import { Channel, ShmError } from '../../../src/index.js';
import { PlainDecoder } from '../../../src/transport/codec/plain/decoder.js';
import { notPlain, PlainEncoder } from '../../../src/transport/codec/plain/encoder.js';
import { magic, maxDepth, maxShapes, Tag } from '../../../src/transport/codec/plain/format.js';
import { thrown } from '../../support/errors.js';

const guardBytes = 64;
const canary = 0xa5;

/** An encoder and the decoder at the other end, with a message's room between canaries. */
class Pair {
  readonly encoder = new PlainEncoder();
  readonly decoder = new PlainDecoder();
  readonly #memory: Buffer;
  #moved: Buffer | undefined;

  constructor(readonly room = 65536) {
    this.#memory = Buffer.alloc(room + 2 * guardBytes, canary);
  }

  encode(value: unknown): number {
    const encoded = this.encoder.encode(value, this.#memory, guardBytes, guardBytes + this.room);
    const after = this.#memory.subarray(guardBytes + this.room);
    for (const guard of [this.#memory.subarray(0, guardBytes), after]) {
      expect(guard.every(byte => byte === canary)).to.equal(true);
    }
    this.#moved = typeof encoded === 'number' ? undefined : Buffer.from(encoded);
    return typeof encoded === 'number' ? encoded : encoded.length;
  }

  decode(length: number): unknown {
    const moved = this.#moved;
    if (moved) return this.decoder.decode(moved, 0, length);
    return this.decoder.decode(this.#memory, guardBytes, guardBytes + length);
  }

  get hasMoved(): boolean {
    return this.#moved !== undefined;
  }

  through(value: unknown): unknown {
    const length = this.encode(value);
    expect(length).to.be.greaterThan(0);
    this.encoder.sent();
    return this.decode(length);
  }

  bytes(value: unknown): Buffer {
    const length = this.encode(value);
    return this.#moved ?? Buffer.from(this.#memory.subarray(guardBytes, guardBytes + length));
  }
}

const order = (id: number) => ({ id, name: 'some name', tags: ['a', 'b'], at: { city: 'Bonn' } });

/** Decodes bytes that no encoder made: a value, or ERR_CORRUPT. */
function decodeAnything(decoder: PlainDecoder, bytes: Buffer): void {
  try {
    decoder.decode(bytes, 0, bytes.length);
  } catch (error) {
    if (!(error instanceof ShmError) || error.code !== 'ERR_CORRUPT') throw error;
  }
}

/** A message out of bytes and of numbers of four bytes. */
function message(...parts: (number | { long: number } | string)[]): Buffer {
  const pieces = parts.map(part => {
    if (typeof part === 'number') return Buffer.of(part);
    if (typeof part === 'string') return Buffer.from(part, 'latin1');
    const long = Buffer.alloc(4);
    long.writeUInt32LE(part.long);
    return long;
  });
  return Buffer.concat([Buffer.of(magic), ...pieces]);
}

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

describe('plain data that a peer made up', () => {
  const shape = (...keys: string[]) => [
    ...[1, 0, 0, 0, 5, 0, keys.length, 0, 0, 0],
    ...keys.flatMap(key => [Tag.shortString | key.length, key]),
  ];
  const nested = maxDepth + 1;
  const cases: Record<string, Buffer> = {
    'nothing at all': message(),
    'no value': message(0),
    'unknown flags': message(4, 1),
    'an unknown tag': message(0, 255),
    'more than a value': message(0, 1, 2),
    'half a number': message(0, Tag.float, 1, 2),
    'a short string beyond the end': message(0, Tag.shortString | 10, 'abc'),
    'a string beyond the end': message(0, Tag.string, { long: 0xffffffff }, 'abc'),
    'a wide string beyond the end': message(0, Tag.wideString, { long: 0x80000001 }, 'abcd'),
    'more elements than bytes': message(0, Tag.array, { long: 0xffffffff }),
    'more bytes than there are': message(0, Tag.buffer, { long: 0x7fffffff }, 'abc'),
    'a shape never defined': message(0, Tag.object, 7, 0),
    'a shape of another message': message(0, Tag.object, 0, 1),
    'deep nesting': message(0, ...Array<number>(nested).fill(Tag.shortArray | 1), 1),
    'a reference to nothing': message(2, Tag.shortArray | 1, Tag.reference, { long: 1 }),
    'a reference not announced': message(0, Tag.shortArray | 1, Tag.reference, { long: 0 }),
    'no room for definitions': message(1, 0),
    'definitions beyond the end': message(1, 1, { long: 99 }),
    'definitions before the value': message(1, 1, { long: 0 }),
    'more definitions than bytes': message(1, 1, { long: 0xffffffff }, { long: 3 }),
    'a definition in between': message(1, 1, ...shape('a'), 9, { long: 3 }),
    'a key that is no string': message(
      ...[1, Tag.object, 5, 0, 1],
      ...[1, 0, 0, 0, 5, 0, 1, 0, 0, 0, 42],
      { long: 6 },
    ),
    'a note of an encoder to itself': message(0, Tag.foreign, { long: 0 }),
    holes: message(0, Tag.shortArray | 1, Tag.holes, { long: 1 }),
    'a shape of too many keys': message(...[1, 1], ...shape(...Array<string>(100).fill('k')), {
      long: 3,
    }),
    'a shape of too long keys': message(
      ...[1, 1],
      ...shape(...Array<string>(60).fill('k'.repeat(60))),
      { long: 3 },
    ),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(`is refused: ${name}`, () => {
      const decoder = new PlainDecoder();
      const error = thrown(() => decoder.decode(bytes, 0, bytes.length));
      expect(error.code).to.equal('ERR_CORRUPT');
    });
  }

  it('is taken where only its making is unusual', () => {
    const bytes = message(...[1, Tag.object, 5, 0, 1], ...shape('key'), { long: 6 });
    expect(new PlainDecoder().decode(bytes, 0, bytes.length)).to.deep.equal({ key: 1 });
  });

  it('gives a value or ERR_CORRUPT, whatever the bytes', () => {
    const decoder = new PlainDecoder();
    const before = Object.getOwnPropertyNames(Object.prototype).length;
    const tags = ['shared'];
    const valid = new Pair().bytes([
      order(1),
      order(2),
      'x'.repeat(90),
      '日',
      new Date(1),
      5n,
      0.5,
      tags,
      tags,
    ]);
    const changes = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1 });
    fc.assert(
      fc.property(changes, fc.nat(valid.length), (places, length) => {
        const bytes = Buffer.from(valid);
        for (const [at, byte] of places) bytes[at] = byte;
        decodeAnything(decoder, bytes);
        decodeAnything(decoder, bytes.subarray(0, length));
      }),
      { numRuns: 20_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(3), (bytes, flags) => {
        decodeAnything(decoder, Buffer.concat([Buffer.of(magic, flags), bytes]));
      }),
      { numRuns: 20_000 },
    );
    expect(Object.getOwnPropertyNames(Object.prototype).length).to.equal(before);
  });
});

describe('structured values over a channel', () => {
  function channels(capacity = 4096): [Channel, Channel, () => void] {
    const one = Channel.create({ capacity });
    const other = Channel.open(one.handle);
    return [one, other, () => void Promise.all([one.close(), other.close()])];
  }

  it('arrive after a value of their shape found no room, or was too large', () => {
    const [one, other, close] = channels();
    while (one.send('x'.repeat(300)));
    expect(one.send(order(1))).to.equal(false);
    expect(one.sendSync(order(1), 1)).to.equal(false);
    while (other.receiveSync(0) !== undefined);
    const large = { fresh: 'x'.repeat(5000) };
    expect(thrown(() => one.send(large)).code).to.equal('ERR_TOO_LARGE');
    expect(() => one.send({ other: 1, bad: () => 1 })).to.throw(/could not be cloned/);
    for (const value of [order(1), { fresh: 'x' }, { other: 1, bad: 2 }]) {
      expect(one.send(value)).to.equal(true);
      expect(other.receiveSync()).to.deep.equal(value);
    }
    close();
  });

  it('arrive also where an accessor of one sends others', () => {
    const [one, other, close] = channels();
    const received: unknown[] = [];
    const read = () => {
      for (let value; (value = other.receiveSync(0)) !== undefined;) received.push(value);
    };
    const nosy = {
      a: { fresh: 1 }, // its shape is not defined yet when the inner value is sent
      get b() {
        // With the ring full, the outer value is encoded outside of it, so this one goes in.
        read();
        return one.send({ inner: [order(1)] });
      },
    };
    let fillers = 0;
    while (one.send('x'.repeat(300))) fillers++;
    expect(one.send(nosy)).to.equal(true);
    expect(one.send(nosy), 'while its room is reserved').to.equal(true);
    expect(one.send({ inner: [order(2)] })).to.equal(true);
    read();
    expect(received.slice(fillers)).to.deep.equal([
      { inner: [order(1)] },
      { a: { fresh: 1 }, b: true },
      { inner: [order(1)] },
      { a: { fresh: 1 }, b: true },
      { inner: [order(2)] },
    ]);
    close();
  });

  it('are told apart by channel, and shared by all ways to read', async () => {
    const [one, other, close] = channels();
    const [third, fourth, closeOthers] = channels();
    for (let i = 0; i < 3; i++) {
      for (const sender of [one, third]) sender.send(order(i));
      expect(fourth.receiveSync()).to.deep.equal(order(i));
    }
    expect(other.receiveSync()).to.deep.equal(order(0));
    const iterator = other[Symbol.asyncIterator]();
    expect((await iterator.next()).value).to.deep.equal(order(1));
    expect((await iterator.next()).value).to.deep.equal(order(2));
    other.send(order(9)); // each direction has its own shapes
    expect(one.receiveSync()).to.deep.equal(order(9));
    close();
    closeOthers();
  });

  it('come as ERR_CORRUPT where the peer wrote garbage', async () => {
    for (const nonsense of ['c1', 'c1ff', 'ff0f', 'ff00ff00ff', 'dd', 'dfffffffff', 'd940', '']) {
      const one = Channel.create<Uint8Array>({ codec: 'bytes' });
      const other = Channel.open(one.handle);
      one.send(Buffer.from(nonsense, 'hex'));
      one.send(Buffer.from(nonsense, 'hex'));
      expect(thrown(() => other.receiveSync()).code).to.equal('ERR_CORRUPT');
      const error = await new Promise<Error>(resolve => {
        other.on('error', resolve);
        other.on('message', () => {});
      });
      expect(error).to.include({ code: 'ERR_CORRUPT' });
      expect(other.closed).to.equal(true);
      await one.close();
    }
  });

  it('have no heir: an end of a channel is taken once', async () => {
    const [one, other] = channels();
    await other.close();
    expect(thrown(() => Channel.open(one.handle)).code).to.equal('ERR_ROLE_TAKEN');
    await one.close();
  });
});
