import type { Piscina } from 'piscina';
import { type PayloadArena, runWithPayloads } from '../../src/transport/piscina/index.js';
import { look } from './task.js';

export const directions = ['in', 'out', 'both'] as const;
export type Direction = (typeof directions)[number];

/** What a way has at hand. */
export interface Place {
  readonly pool: Piscina;
  readonly arena: PayloadArena;
  /** The sender's bytes, which it keeps. */
  readonly source: Uint8Array<ArrayBuffer>;
}

/** One way of carrying the payload of a task. */
export interface Way {
  readonly label: string;
  /** What the others are compared with. */
  readonly baseline?: 'clone' | 'transfer';
  run(place: Place): Promise<unknown>;
}

// A side that transfers its bytes and wants to keep them has to copy them first.
const given = (source: Uint8Array<ArrayBuffer>) => {
  const copy = source.slice();
  return [copy, { transferList: [copy.buffer] }] as const;
};

const lookAt = async (result: Promise<unknown>) => look((await result) as Uint8Array);

export const ways: Record<Direction, readonly Way[]> = {
  in: [
    {
      label: 'cloned',
      baseline: 'clone',
      run: ({ pool, source }) => pool.run(source, { name: 'cloneIn' }),
    },
    {
      label: 'copied and transferred',
      baseline: 'transfer',
      run: ({ pool, source }) => {
        const [copy, options] = given(source);
        return pool.run(copy, { name: 'cloneIn', ...options });
      },
    },
    {
      label: 'arena, `share`',
      run: ({ pool, arena, source }) =>
        runWithPayloads(pool, arena.share(source), { name: 'arenaIn' }),
    },
    {
      label: 'arena, `allocate` and fill',
      run: ({ pool, arena, source }) => {
        const payload = arena.allocate(source.length);
        const { bytes } = payload;
        for (let i = 0; i < bytes.length; i += 4096) bytes[i] = 1;
        return runWithPayloads(pool, payload, { name: 'arenaIn' });
      },
    },
  ],
  out: [
    {
      label: 'cloned',
      baseline: 'clone',
      run: ({ pool, source }) => lookAt(pool.run(source.length, { name: 'cloneOut' })),
    },
    {
      label: 'copied and transferred',
      baseline: 'transfer',
      run: ({ pool, source }) => lookAt(pool.run(source.length, { name: 'moveOut' })),
    },
    {
      label: 'arena, a copy of its own',
      run: ({ pool, source }) => lookAt(runWithPayloads(pool, source.length, { name: 'arenaOut' })),
    },
    {
      label: 'arena, borrowed',
      run: async ({ pool, source }) => {
        const options = { name: 'arenaOut', borrow: true } as const;
        using result = await runWithPayloads<Uint8Array>(pool, source.length, options);
        return look(result.value);
      },
    },
    {
      label: 'arena, filled in place, borrowed',
      run: async ({ pool, source }) => {
        const options = { name: 'arenaFill', borrow: true } as const;
        using result = await runWithPayloads<Uint8Array>(pool, source.length, options);
        return look(result.value);
      },
    },
  ],
  both: [
    {
      label: 'cloned',
      baseline: 'clone',
      run: ({ pool, source }) => lookAt(pool.run(source, { name: 'cloneBoth' })),
    },
    {
      label: 'copied and transferred',
      baseline: 'transfer',
      run: ({ pool, source }) => {
        const [copy, options] = given(source);
        return lookAt(pool.run(copy, { name: 'moveBoth', ...options }));
      },
    },
    {
      label: 'arena, a copy of its own',
      run: ({ pool, arena, source }) =>
        lookAt(runWithPayloads(pool, arena.share(source), { name: 'arenaBoth' })),
    },
    {
      label: 'arena, borrowed',
      run: async ({ pool, arena, source }) => {
        const options = { name: 'arenaBoth', borrow: true } as const;
        using result = await runWithPayloads<Uint8Array>(pool, arena.share(source), options);
        return look(result.value);
      },
    },
  ],
};
