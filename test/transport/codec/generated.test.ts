import { expect } from 'chai';
import fc from 'fast-check';
import { Channel } from '../../../src/index.js';
import { deserialize, serialize } from '../../../src/transport/codec/clone.js';
import { describeValue } from './describe-value.js';
import { exotic } from './exotic-values.js';

const anything = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  stringUnit: 'binary',
  maxDepth: 3,
});
const isSmall = (name: string) => !/long|many|sparse|hundred|thousand|environment/.test(name);
// Where a value is refused after accessors ran, ours reads on before V8 says so: another may throw.
const throws = (name: string) => name === 'an accessor that throws';
const unusual = fc
  .constantFrom(...Object.keys(exotic).filter(name => isSmall(name) && !throws(name)))
  .map(name => exotic[name]!(() => undefined));
const leaf = fc.oneof({ weight: 4, arbitrary: anything }, { weight: 1, arbitrary: unusual });
const key = fc.oneof(
  fc.constantFrom('a', 'b', '0', '1', '__proto__', 'constructor', 'length', ''),
  fc.string({ unit: 'binary', maxLength: 5 }),
);

/** Objects and arrays, accessors among them, of things that are plain, and of some that are not. */
const { value } = fc.letrec(tie => ({
  value: fc.oneof({ maxDepth: 4 }, leaf, tie('object'), tie('array'), tie('accessors')),
  object: fc.dictionary(key, tie('value'), { maxKeys: 5, noNullPrototype: false }),
  array: fc.array(tie('value'), { maxLength: 6 }),
  accessors: fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map(pairs =>
    pairs.reduce(
      (object, [name, inner]) =>
        Object.defineProperty(object, name, {
          enumerable: true,
          configurable: true,
          get: () => inner,
        }),
      {},
    ),
  ),
}));

/** What became of a value: as one line, or the error. */
function attempt(make: () => unknown): string {
  let made: unknown;
  try {
    made = make();
  } catch (error) {
    return `refused: ${String(error)}`;
  }
  return describeValue(made);
}

describe('generated values', function () {
  this.timeout(120_000);

  for (const capacity of [4096, 8192, 65536]) {
    it(`arrive as V8 clones them, around the end of a ring of ${capacity} bytes`, () => {
      const one = Channel.create({ capacity });
      const other = Channel.open(one.handle);
      const longest = capacity / 8;
      let bytes = 0;
      const { failed, seed, counterexamplePath, errorInstance } = fc.check(
        fc.property(value, fc.nat(capacity / 8), (sent, filler) => {
          let encoded: Buffer = Buffer.alloc(0);
          const expected = attempt(() => deserialize((encoded = serialize(sent))));
          // What does not fit is no matter here; ours may take twice as much, for some strings.
          fc.pre(encoded.length < longest);
          bytes += encoded.length + filler;
          // Something before it, so that it begins anywhere.
          expect(one.send('f'.repeat(filler))).to.equal(true);
          expect(other.receiveSync(0)).to.have.length(filler);
          const got = attempt(() => {
            expect(one.send(sent)).to.equal(true);
            return other.receiveSync(0);
          });
          expect(got).to.equal(expected);
        }),
        { numRuns: 1500 },
      );
      // The value itself is not printed: it may have accessors that throw, and Proxies.
      const message = `seed ${seed}, path ${counterexamplePath}: ${String(errorInstance)}`;
      expect(failed, message).to.equal(false);
      expect(bytes).to.be.greaterThan(10 * capacity);
      void one.close();
      void other.close();
    });
  }
});
