import { expect } from 'chai';
import { Piscina } from 'piscina';
import { PayloadArena, runWithPayloads } from '../../../src/transport/piscina/index.js';
import { rejected, thrown } from '../../support/errors.js';
import { digest } from './handlers.js';
import { pattern, piscina6, type PoolClass, workshop } from './support.js';

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

function suite(name: string, find: () => PoolClass | string): void {
  describe(`Payloads of ${name}`, () => {
    let Pool: PoolClass;
    before(function () {
      const found = find();
      if (typeof found === 'string') {
        console.log(`      skipped: ${found}`);
        this.skip();
      }
      Pool = found;
    });
    const make = workshop(() => Pool);

    it('a payload alone arrives as a view of the arena, and is free when the task settled', async () => {
      const arena = make.arena();
      const pool = make.pool(arena);
      const source = pattern(100_001);
      const payload = arena.share(source);
      expect(arena.stats()).to.include({ blocks: 1, bytes: 100_001, fallbacks: 0 });
      const seen: unknown = await runWithPayloads(pool, payload, { name: 'describeView' });
      expect(seen).to.deep.equal({
        kind: 'Buffer',
        isShared: false, // of which node:fs and node:crypto refuse some
        length: 100_001,
        digest: digest(source),
      });
      expect(payload.released).to.equal(true);
      expect(arena.stats()).to.include({ blocks: 0, bytes: 0, fallbacks: 0, leaks: 0 });
    });

    it('payloads within objects, arrays, maps and sets, several in a task, cycles included', async () => {
      const arena = make.arena();
      const pool = make.pool(arena);
      const sources = Array.from({ length: 6 }, (_, i) => pattern(5000 + i, i));
      const [a, b, c, d, e, f] = sources.map(source => arena.share(source));
      const task: Record<string, unknown> = {
        a,
        list: [b, 2, { c }],
        map: new Map<unknown, unknown>([['d', d]]),
        set: new Set([e]),
        f,
        again: a,
        date: new Date(5),
        ['__proto__x']: 1,
      };
      task.self = task;
      const back = await runWithPayloads<typeof task>(pool, task);
      expect(back.self).to.equal(back);
      expect(back.a).to.deep.equal(sources[0]);
      expect(back.list).to.deep.equal([sources[1], 2, { c: sources[2] }]);
      expect((back.map as Map<string, unknown>).get('d')).to.deep.equal(sources[3]);
      expect([...(back.set as Set<unknown>)]).to.deep.equal([sources[4]]);
      expect(back.f).to.deep.equal(sources[5]);
      expect(back.again).to.deep.equal(sources[0]);
      expect(back.date).to.deep.equal(new Date(5));
      expect(task.a, 'the task itself is left alone').to.equal(a);
      expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
    });

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
    });

    it('pool.run of a payload, alone, nested or moved, is refused and names the way', async () => {
      const arena = make.arena();
      const pool = make.pool(arena, { maxThreads: 1 });
      const payload = arena.share(pattern(5000));
      const tasks = [payload, { list: [payload] }, new Map([['payload', payload]])];
      // The first is posted later, from the queue, since its thread is still starting.
      const errors = await Promise.all(
        tasks.map(task => rejected(pool.run(task, { name: 'echo' }) as Promise<unknown>)),
      );
      errors.push(thrown(() => structuredClone({ payload })));
      errors.push(thrown(() => new MessageChannel().port1.postMessage(payload)));
      for (const error of errors) {
        expect(error).to.include({ name: 'ShmError', code: 'ERR_INVALID_ARG' });
        expect(error.message).to.contain('runWithPayloads(pool, task)');
      }
      expect(payload.released, 'nothing has happened to it').to.equal(false);
      expect(await runWithPayloads(pool, payload)).to.deep.equal(pattern(5000));
      expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0, leaks: 0 });
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
      expect(await run(Pool.version, 'moveResult')).to.deep.equal(new Uint8Array(5000).fill(9));
      expect((await rejected(run({ bytes: pattern(7) }, 'fail'))).message).to.equal(
        'on purpose, with 7 bytes',
      );
      expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
    });

    for (const atomics of ['sync', 'async', 'disabled'] as const) {
      for (const concurrentTasksPerWorker of [1, 4]) {
        it(`atomics '${atomics}', ${concurrentTasksPerWorker} tasks per worker, async handlers`, async () => {
          const arena = make.arena({ bytes: 32 << 20 });
          const pool = make.pool(arena, { atomics, concurrentTasksPerWorker, maxThreads: 2 });
          const tasks = Array.from({ length: 60 }, async (_, i) => {
            const source = pattern(1 + i * 5000, i);
            const name = i % 2 ? 'echo' : 'echoLater';
            const back = await runWithPayloads<Buffer>(pool, arena.share(source), { name });
            expect(back.equals(source)).to.equal(true);
            // More than it brought room for.
            const wish = { bytes: 20_000 + i * 1000, value: i };
            const made = await runWithPayloads<Buffer>(pool, wish, { name: 'make' });
            expect(made.every(byte => byte === i)).to.equal(true);
          });
          await Promise.all(tasks);
          expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
        });
      }
    }

    it('filename, name, transferList, histogram, events and priorities work as without', async () => {
      const arena = make.arena();
      const queued: unknown[] = [];
      const taskQueue = Object.assign(new Piscina.FixedQueue(), {
        push(this: InstanceType<typeof Piscina.FixedQueue>, task: never) {
          queued.push((task as Record<symbol, unknown>)[Piscina.queueOptionsSymbol]);
          Piscina.FixedQueue.prototype.push.call(this, task);
        },
      });
      const pool = make.pool(arena, { filename: null, taskQueue });
      let created = 0;
      pool.on('workerCreate', () => created++);
      const filename = new URL('./handlers.js', import.meta.url).href;
      const gift = new ArrayBuffer(64);
      const priority = { priority: 3 };
      const task = {
        payload: arena.share(pattern(9000)),
        gift,
        [Piscina.queueOptionsSymbol]: priority,
      };
      const first = runWithPayloads(pool, 1, { filename, name: 'echoLater' });
      const back = await runWithPayloads<{ payload: Buffer; gift: ArrayBuffer }>(pool, task, {
        filename,
        name: 'echo',
        transferList: [gift],
      });
      expect(await first).to.equal(1);
      expect(gift.byteLength, 'transferred').to.equal(0);
      expect(back.gift.byteLength).to.equal(64);
      expect(back.payload).to.deep.equal(pattern(9000));
      expect(queued).to.deep.include(priority);
      expect(pool.completed).to.equal(2);
      expect(pool.histogram.runTime.max).to.be.above(0);
      expect(created).to.equal(1);
      const unknown = await rejected(
        runWithPayloads(pool, arena.share(pattern(9)), { filename: '/no/such/file' }),
      );
      expect(unknown).to.be.instanceOf(Error);
      const lost = await rejected(
        runWithPayloads(pool, { payload: arena.share(pattern(9)), f() {} }, { filename }),
      );
      expect(lost.name).to.equal('DataCloneError');
      expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
    });

    it('Piscina.move of a task and of a result transfers what it says', async () => {
      const arena = make.arena();
      const pool = make.pool(arena);
      const given = new Uint8Array(5000).fill(4);
      const back = await runWithPayloads<Uint8Array>(pool, Pool.move(given));
      expect(given).to.have.length(0);
      expect(back.every(byte => byte === 4)).to.equal(true);
      const made = await runWithPayloads<Uint8Array>(pool, Pool.version, { name: 'moveResult' });
      expect(made.every(byte => byte === 9)).to.equal(true);
      const task = { version: Pool.version, bytes: arena.share(pattern(7000)) };
      const payload = await runWithPayloads<Buffer>(pool, task, { name: 'movePayload' });
      expect(payload).to.deep.equal(pattern(7000));
      expect(await runWithPayloads(pool, { bytes: 3, value: 1 }, { name: 'make' })).to.have.length(
        3,
      );
      expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
    });

    it('a full arena, and a payload larger than it: cloned, counted, no failure', async () => {
      const arena = make.arena({ bytes: 1 << 20 });
      const pool = make.pool(arena);
      const large = pattern(3 << 20);
      const alone = await runWithPayloads<Buffer>(pool, arena.share(large));
      expect(alone.equals(large)).to.equal(true);
      expect(Buffer.isBuffer(alone)).to.equal(true);
      expect(arena.stats()).to.include({ blocks: 0, fallbacks: 2 });
      const hog = arena.allocate(arena.stats().capacity);
      const small = pattern(6000);
      const { in: back, n } = await runWithPayloads<{ in: Buffer; n: number }>(pool, {
        in: arena.share(small),
        n: 5,
      });
      expect(back).to.deep.equal(small);
      expect(n).to.equal(5);
      expect(arena.stats()).to.include({ blocks: 1, fallbacks: 4 });
      const filled = arena.allocate(4000);
      filled.bytes.fill(3);
      const seen = await runWithPayloads<Buffer>(pool, filled, { name: 'increment' });
      expect(seen.every(byte => byte === 4)).to.equal(true);
      using lent = await runWithPayloads<Buffer>(
        pool,
        { bytes: 9000, value: 2 },
        {
          name: 'make',
          borrow: true,
        },
      );
      expect(lent.value.every(byte => byte === 2)).to.equal(true);
      hog.release();
      const before = arena.stats().fallbacks;
      expect(await runWithPayloads<Buffer>(pool, arena.share(small))).to.deep.equal(small);
      expect(arena.stats()).to.include({ blocks: 0, fallbacks: before });
    });

    it('more tasks at once than task slots', async () => {
      const arena = make.arena({ bytes: 1 << 16 }); // 128 slots
      const pool = make.pool(arena, { maxThreads: 2 });
      const tasks = Array.from({ length: 400 }, async (_, i) => {
        const back = await runWithPayloads<Buffer>(pool, [arena.share(pattern(20, i))]);
        expect((back as unknown as Buffer[])[0]).to.deep.equal(pattern(20, i));
      });
      const abort = new AbortController();
      const late = { name: 'echo', signal: abort.signal };
      const aborted = rejected(runWithPayloads(pool, arena.share(pattern(20)), late));
      abort.abort();
      expect((await aborted).name).to.equal('AbortError');
      expect((await rejected(runWithPayloads(pool, 1, { name: 'plain' }))).code).to.equal(
        'ERR_INVALID_ARG',
      );
      await Promise.all(tasks);
      expect(arena.stats().blocks).to.equal(0);
    });

    it('one arena serves several pools', async () => {
      const arena = make.arena();
      const pools = [make.pool(arena), make.pool(arena), make.pool(arena)];
      const sources = Array.from({ length: 90 }, (_, i) => pattern(10_000 + i, i));
      const results = await Promise.all(
        sources.map((source, i) => runWithPayloads<Buffer>(pools[i % 3]!, arena.share(source))),
      );
      expect(results).to.deep.equal(sources);
      expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
    });

    it('a task with payloads of two arenas, in a pool that knows neither', async () => {
      const [one, two] = [make.arena(), make.arena()];
      const pool = make.pool(one, { workerData: null });
      const task = { one: one.share(pattern(4000, 1)), two: two.share(pattern(5000, 2)) };
      const back = await runWithPayloads<Record<string, Buffer>>(pool, task);
      expect(back).to.deep.equal({ one: pattern(4000, 1), two: pattern(5000, 2) });
      expect([one.stats().blocks, two.stats().blocks]).to.deep.equal([0, 0]);
      const without = await rejected(runWithPayloads(pool, 1));
      expect(without.code).to.equal('ERR_INVALID_ARG');
      expect(await runWithPayloads(pool, 1, { arena: two })).to.equal(1);
    });

    it('refuses nonsense and says what is wrong', async () => {
      const arena = make.arena();
      const pool = make.pool(arena);
      expect(thrown(() => arena.share('text' as never)).code).to.equal('ERR_INVALID_ARG');
      expect(thrown(() => arena.share(new ArrayBuffer(5) as never)).code).to.equal(
        'ERR_INVALID_ARG',
      );
      expect(thrown(() => arena.allocate(-1)).code).to.equal('ERR_OUT_OF_RANGE');
      expect(thrown(() => PayloadArena.create({ bytes: 0 })).code).to.equal('ERR_OUT_OF_RANGE');
      expect(thrown(() => PayloadArena.create({} as never)).code).to.equal('ERR_INVALID_ARG');
      expect(thrown(() => PayloadArena.create({ bytes: 1, parts: 0 })).code).to.equal(
        'ERR_OUT_OF_RANGE',
      );
      expect(thrown(() => PayloadArena.open({ path: '/no/such/arena' })).code).to.equal('ENOENT');
      expect(thrown(() => PayloadArena.open({} as never)).code).to.equal('ERR_INVALID_ARG');
      const other = await rejected(
        runWithPayloads(pool, arena.share(pattern(9)), { name: 'plain' }),
      );
      expect(other.message).to.match(/ERR_INVALID_ARG: expected a handler made with payloadTask/);
      const used = arena.share(pattern(9));
      used.release();
      used.release();
      expect(thrown(() => used.bytes).code).to.equal('ERR_RELEASED');
      expect((await rejected(runWithPayloads(pool, [used]))).code).to.equal('ERR_RELEASED');
      expect(arena.stats().blocks).to.equal(0);
      arena.close();
      arena.close();
      expect(thrown(() => arena.share(pattern(9))).code).to.equal('ERR_CLOSED');
      expect((await rejected(runWithPayloads(pool, 1, { arena }))).code).to.equal('ERR_CLOSED');
    });
  });
}

suite('piscina 5', () => Piscina);
suite('piscina 6', piscina6);
