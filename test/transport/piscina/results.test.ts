import { expect } from 'chai';
import { runWithPayloads } from '../../../src/transport/piscina/index.js';
import { rejected } from '../../support/errors.js';
import { digest } from './handlers.js';
import { forEachPiscina, pattern } from './support.js';

const typedArrays = [
  Uint8ClampedArray,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigUint64Array,
  BigInt64Array,
] as const;

forEachPiscina('Results', (make, Pool) => {
  it('views of every kind keep it, both ways; at any offset of their buffer', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    for (const type of typedArrays) {
      const view = new type(new ArrayBuffer(8008), 8, 8000 / type.BYTES_PER_ELEMENT);
      new Uint8Array(view.buffer).set(pattern(8008));
      const back = await runWithPayloads<ArrayBufferView>(pool, { view: arena.share(view) });
      const got = (back as unknown as { view: typeof view }).view;
      expect(got.constructor.name).to.equal(type.name);
      expect(digest(got), type.name).to.equal(digest(view));
      expect(got.buffer.byteLength, 'a copy of its own').to.equal(8000);
    }
    for (const view of [new DataView(new ArrayBuffer(3000), 5), Buffer.from('abc').subarray(1)]) {
      const back = await runWithPayloads<ArrayBufferView>(pool, arena.share(view));
      expect(back.constructor.name).to.equal(view.constructor.name);
      expect(digest(back)).to.equal(digest(view));
    }
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });

  it('results of every kind, nested and several, from the first task on', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const got = await runWithPayloads<{
      cycle: { buffer: Buffer; list: unknown[]; self: unknown };
      map: Map<string, DataView>;
      set: Set<BigInt64Array>;
      part: Buffer;
      date: Date;
      empty: Uint8Array;
    }>(pool, { bytes: 1 << 20 }, { name: 'makeMany' });
    expect(got.cycle.buffer).to.deep.equal(Buffer.alloc(1 << 20, 1));
    expect(got.cycle.list[0]).to.deep.equal(new Float64Array([1.5, -2]));
    expect(got.cycle.list[1]).to.equal(got.cycle.buffer);
    expect(got.cycle.self).to.equal(got.cycle);
    expect(got.map.get('view')!.byteLength).to.equal(3000);
    expect([...got.set][0]).to.deep.equal(new BigInt64Array(300).fill(-5n));
    expect(got.part).to.deep.equal(Buffer.from('cd'));
    expect(got.part.buffer.byteLength, 'without the buffer around it').to.equal(2);
    expect(got.date).to.deep.equal(new Date(0));
    expect(got).to.have.property('nothing', undefined);
    expect(got.empty).to.have.length(0);
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });

  it('what a task changes in its payload comes back; a borrowed one is the very same memory', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const payload = arena.allocate(10_000, { keep: true });
    payload.bytes.fill(7);
    using result = await runWithPayloads<Uint8Array>(pool, payload, {
      name: 'increment',
      borrow: true,
    });
    expect(result.value[9999]).to.equal(8);
    expect(payload.bytes[9999]).to.equal(8);
    result.value[0] = 99;
    expect(payload.bytes[0]).to.equal(99);
    result.release();
    expect(result.value).to.have.length(0);
    expect(payload.bytes[1], 'kept').to.equal(8);
    payload.release();
    expect(arena.stats().blocks).to.equal(0);
  });

  it('results made in place and in ordinary memory, small and large', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    for (const name of ['make', 'makeInPlace']) {
      for (const bytes of [0, 1, 2047, 2048, 2049, 1 << 20, 100, 3 << 20]) {
        for (const borrow of [false, true] as const) {
          const options = { name, borrow } as { name: string; borrow: true };
          const result = await runWithPayloads<Uint8Array>(pool, { bytes, value: 5 }, options);
          const value = borrow ? result.value : (result as unknown as Uint8Array);
          expect(value.constructor.name).to.equal(name === 'make' ? 'Buffer' : 'Uint8Array');
          expect(value).to.have.length(bytes);
          expect(value.every(byte => byte === 5)).to.equal(true);
          if (borrow) {
            const { blocks, bytes: inUse } = arena.stats();
            expect(blocks, `${name}, ${bytes} bytes lent`).to.equal(bytes > 0 ? 1 : 0);
            expect(inUse).to.be.within(bytes, bytes + 16);
            result.release();
          }
          expect(arena.stats().blocks).to.equal(0);
        }
      }
    }
    expect(arena.stats().fallbacks).to.equal(0);
  });

  it('a result that its room was too small for, borrowed: it is in the arena, and counted if that is full', async () => {
    const arena = make.arena({ bytes: 4 << 20 });
    const pool = make.pool(arena);
    const options = { name: 'make', borrow: true } as const;
    const wish = { bytes: 1 << 20, value: 5 };
    const first = await runWithPayloads<Buffer>(pool, wish, options);
    expect(first.value).to.deep.equal(Buffer.alloc(1 << 20, 5));
    expect(arena.stats()).to.include({ blocks: 1, bytes: 1 << 20, fallbacks: 0 });
    first.release();
    expect(first.value).to.have.length(0);
    expect(arena.stats().blocks).to.equal(0);
    const large = await runWithPayloads<Buffer>(pool, { ...wish, bytes: 5 << 20 }, options);
    expect(large.value).to.deep.equal(Buffer.alloc(5 << 20, 5));
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 1 });
    large.release();
    expect(large.value, 'though it was never in the arena').to.have.length(0);
    large.release();
    expect(arena.stats().blocks).to.equal(0);
  });

  it('pool.run of plain values through payloadTask is as without it, moved results too', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const task = { list: [1, 'two', pattern(3000)], map: new Map([[1, new Date(5)]]) };
    const run = (task: unknown, name: string) => pool.run(task, { name }) as Promise<unknown>;
    expect(await run(task, 'echo')).to.deep.equal({
      ...task,
      list: [1, 'two', new Uint8Array(pattern(3000))],
    });
    for (const value of [5, undefined, null, 'text']) {
      expect(await run(value, 'echoLater')).to.equal(value);
    }
    expect(await run({ bytes: 10, value: 3 }, 'makeInPlace')).to.deep.equal(
      new Uint8Array(10).fill(3),
    );
    expect(await run(Pool().version, 'moveResult')).to.deep.equal(new Uint8Array(5000).fill(9));
    expect((await rejected(run({ bytes: pattern(7) }, 'fail'))).message).to.equal(
      'on purpose, with 7 bytes',
    );
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });

  it('Piscina.move of a task and of a result transfers what it says', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const given = new Uint8Array(5000).fill(4);
    const back = await runWithPayloads<Uint8Array>(pool, Pool().move(given));
    expect(given).to.have.length(0);
    expect(back.every(byte => byte === 4)).to.equal(true);
    const made = await runWithPayloads<Uint8Array>(pool, Pool().version, { name: 'moveResult' });
    expect(made.every(byte => byte === 9)).to.equal(true);
    const task = { version: Pool().version, bytes: arena.share(pattern(7000)) };
    const payload = await runWithPayloads<Buffer>(pool, task, { name: 'movePayload' });
    expect(payload).to.deep.equal(pattern(7000));
    expect(await runWithPayloads(pool, { bytes: 3, value: 1 }, { name: 'make' })).to.have.length(3);
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });
});
