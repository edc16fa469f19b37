import { expect } from 'chai';
import { Piscina } from 'piscina';
import { PayloadArena, runWithPayloads } from '../../../src/transport/piscina/index.js';
import { rejected, thrown } from '../../support/errors.js';
import { digest } from './handlers.js';
import { forEachPiscina, pattern } from './support.js';

forEachPiscina('Payloads', make => {
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

  it('refuses wrong arguments and says what is wrong', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    expect(thrown(() => arena.share('text' as never)).code).to.equal('ERR_INVALID_ARG');
    expect(thrown(() => arena.share(new ArrayBuffer(5) as never)).code).to.equal('ERR_INVALID_ARG');
    expect(thrown(() => arena.allocate(-1)).code).to.equal('ERR_OUT_OF_RANGE');
    expect(thrown(() => PayloadArena.create({ bytes: 0 })).code).to.equal('ERR_OUT_OF_RANGE');
    expect(thrown(() => PayloadArena.create({} as never)).code).to.equal('ERR_INVALID_ARG');
    expect(thrown(() => PayloadArena.create({ bytes: 1, parts: 0 })).code).to.equal(
      'ERR_OUT_OF_RANGE',
    );
    expect(thrown(() => PayloadArena.open({ path: '/no/such/arena' })).code).to.equal('ENOENT');
    expect(thrown(() => PayloadArena.open({} as never)).code).to.equal('ERR_INVALID_ARG');
    const other = await rejected(runWithPayloads(pool, arena.share(pattern(9)), { name: 'plain' }));
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
