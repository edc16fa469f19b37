// Run by Jest, whose tests have a realm of their own, and by vitest.
import { Buffer } from 'node:buffer';
import { TextEncoder, types } from 'node:util';
import { Channel } from 'mmap-transport';
import { echo } from './echo.mjs';

const runner = globalThis.process.env.REALM_RUNNER;
const { expect, test } = runner === 'vitest' ? await import('vitest') : globalThis;

const plain = () => [
  { id: 1, name: 'n', list: [1, [2], null, undefined, -0], nested: { a: true } },
  'text',
  [5n, 0.5],
  { constructor: 'key of all objects' },
];
const others = () => [
  new Map([[1, { a: [1] }]]),
  new Set(['a']),
  { date: new Date(5), re: /x/g },
  { error: new TypeError('made here', { cause: 'c' }) },
  new (class Point {
    x = 1;
  })(),
];
const bytes = () => [
  Buffer.from('a Buffer'),
  Uint8Array.of(1, 2, 3),
  new TextEncoder().encode('encoded'),
  new Uint8Array(new ArrayBuffer(2000)),
];

for (const kind of ['thread', 'process']) {
  test(`plain data comes back from a ${kind} as data of this realm`, async () => {
    const received = await echo(kind, 'structured', plain());
    expect(received).toEqual(plain());
    expect(received).toStrictEqual(plain());
    expect(Object.getPrototypeOf(received[0])).toBe(Object.prototype);
    expect(Object.getPrototypeOf(received[0].list)).toBe(Array.prototype);
  });

  test(`everything else comes back from a ${kind}`, async () => {
    const [map, set, { date, re }, { error }, point] = await echo(kind, 'structured', others());
    expect(types.isMap(map) && [...map]).toEqual([[1, { a: [1] }]]);
    expect(types.isSet(set) && [...set]).toEqual(['a']);
    expect(types.isDate(date) && date.getTime()).toBe(5);
    expect(types.isRegExp(re) && String(re)).toBe('/x/g');
    expect(types.isNativeError(error) && error.message).toBe('made here');
    expect({ ...point }).toEqual({ x: 1 });
  });

  test(`bytes of any class come back from a ${kind}`, async () => {
    for (const codec of ['bytes', 'structured']) {
      const received = await echo(kind, codec, bytes());
      for (const [i, sent] of bytes().entries()) {
        expect(types.isUint8Array(received[i])).toBe(true);
        expect(Buffer.compare(received[i], sent)).toBe(0);
      }
    }
    const [floats] = await echo(kind, 'structured', [Float64Array.of(1, 2)]);
    expect([...floats]).toEqual([1, 2]);
  });
}

test('messages come while the timers of the test are fake', async () => {
  const fake =
    runner === 'vitest' ? (await import('vitest')).vi : (await import('@jest/globals')).jest;
  const received = await echo('process', 'string', ['a', 'b'], () => fake.useFakeTimers());
  fake.useRealTimers();
  expect(received).toEqual(['a', 'b']);
});

test('what is refused is refused here too', () => {
  const channel = Channel.create();
  expect(() => channel.send(new Proxy({}, {}))).toThrow('could not be cloned');
  expect(() => channel.send(() => 1)).toThrow('could not be cloned');
  channel.close();
});
