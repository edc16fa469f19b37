/** Makes a value of a kind. Each is tried in every place that is not for it. */
export const kinds = {
  undefined: () => undefined,
  null: () => null,
  zero: () => 0,
  negative: () => -1,
  NaN: () => Number.NaN,
  fraction: () => 1.5,
  number: () => 4096,
  digits: () => '4096',
  empty: () => '',
  text: () => 'text',
  boolean: () => true,
  object: () => ({}),
  array: () => [],
  function: () => () => {},
  symbol: () => Symbol('s'),
  bigint: () => 1n,
  date: () => new Date(0),
  map: () => new Map(),
  bytes: () => Buffer.alloc(3),
  infinity: () => Number.POSITIVE_INFINITY,
  bare: () => Object.create(null) as object,
  misspelled: () => ({ capcity: 4096 }),
  promise: () => Promise.resolve({}),
  hostile: () =>
    Object.defineProperty({ toString: undefined }, 'constructor', {
      get() {
        throw new Error('read');
      },
    }),
} satisfies Record<string, () => unknown>;

export type Kind = keyof typeof kinds;
