import { expect } from 'chai';
import fc from 'fast-check';
import { ShmError } from '../../../src/index.js';
import { PlainDecoder } from '../../../src/transport/codec/plain/decoder.js';
import { magic, maxDepth, Tag } from '../../../src/transport/codec/plain/format.js';
import { thrown } from '../../support/errors.js';
import { order, Pair } from './plain-pair.js';

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
