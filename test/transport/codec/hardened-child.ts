// Run by Node with options that take something away, or after freezing what there is.
import assert from 'node:assert';
import { deserialize, serialize } from 'node:v8';
import { Channel } from '../../../src/index.js';

const values: unknown[] = [
  JSON.parse('{"constructor":"c","toString":"t","__proto__":{"x":1},"valueOf":null,"n":1}'),
  { hasOwnProperty: 1, isPrototypeOf: [{ constructor: 2 }], inherited: 3, later: 4 },
  [1, [2, 'three', { a: null }], new Date(5), 6n, -0, 'ж'],
  { map: new Map([[1, { constructor: 1 }]]), set: new Set(['a']), e: new TypeError('m') },
  { bytes: Buffer.from('abc'), u8: Uint8Array.of(1), f64: Float64Array.of(1.5), r: /x/g },
  Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`toString${i}`, i])),
];
const expected = values.map(value => serialize(value));

const one = Channel.create();
const other = Channel.open(one.handle);

function checkAll(): void {
  for (const [i, value] of values.entries()) {
    for (let time = 0; time < 2; time++) {
      assert.ok(one.send(value));
      const got = other.receiveSync(0);
      assert.deepStrictEqual(got, deserialize(expected[i]!));
    }
  }
}

const way = process.argv[2];
if (way === 'frozen-late') checkAll();
if (way === 'frozen' || way === 'frozen-late') {
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const { value } = Object.getOwnPropertyDescriptor(globalThis, name)! as { value?: unknown };
    if (typeof value !== 'function' || !/^[A-Z]/.test(name)) continue;
    Object.freeze(value.prototype);
    Object.freeze(value);
  }
  Object.freeze(Object.getPrototypeOf(Uint8Array.prototype));
}
if (way === 'setters') {
  const touched = () => assert.fail('a property of all objects was assigned to');
  Object.defineProperty(Object.prototype, 'inherited', { configurable: true, set: touched });
  Object.defineProperty(Object.prototype, 'n', { configurable: true, value: 'not writable' });
}
checkAll();
const enumerable = { configurable: true, enumerable: true, writable: true, value: 'of all' };
if (way === 'polluted') {
  Object.defineProperty(Object.prototype, 'later', enumerable);
  checkAll();
  Reflect.deleteProperty(Object.prototype, 'later');
  Object.defineProperty(Array.prototype, 1, enumerable);
  assert.ok(one.send({ list: [1, , 3] })); // eslint-disable-line no-sparse-arrays
  const { list } = other.receiveSync(0) as { list: unknown[] };
  assert.deepStrictEqual(Object.keys(list), ['0', '2']);
  Reflect.deleteProperty(Array.prototype, 1);
}
// One that is frozen keeps what was sent from within it apart, too.
const nested = { get inner() { return one.send('first') && 'given'; } }; // prettier-ignore
assert.ok(one.send(nested));
assert.deepStrictEqual([other.receiveSync(0), other.receiveSync(0)], ['first', { inner: 'given' }]);
void one.close();
void other.close();
console.log('all arrived');
