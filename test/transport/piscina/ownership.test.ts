import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { Piscina } from 'piscina';
import { type PayloadArena, runWithPayloads } from '../../../src/transport/piscina/index.js';
import type { ShmError } from '../../../src/index.js';
import { collect, scratch } from '../../native/support.js';
import { amount } from '../../support/amount.js';
import { rejected } from '../../support/errors.js';
import { random } from '../../support/traffic.js';
import { pattern, workshop } from './support.js';

describe('Owners of payloads', () => {
  const path = scratch();
  const make = workshop(() => Piscina);

  /** Starts a task that runs until it is terminated, and waits until it does run. */
  async function spin(pool: Piscina, arena: PayloadArena, signal: AbortSignal | null = null) {
    const started = new Int32Array(new SharedArrayBuffer(4));
    const bytes = arena.share(new Uint8Array(100_000).fill(1));
    const ended = rejected(runWithPayloads(pool, { bytes, started }, { name: 'spin', signal }));
    while (Atomics.load(started, 0) === 0) await delay(1);
    return { ended };
  }

  it('a task that throws gives its payloads back, several at once too', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const bytes = arena.share(pattern(100));
    const error = await rejected(
      runWithPayloads(pool, { bytes, more: arena.share(pattern(5)) }, { name: 'fail' }),
    );
    expect(error).to.include({ message: 'on purpose, with 100 bytes' });
    expect(arena.stats().blocks).to.equal(0);
  });

  it('a task that is aborted while it runs: its blocks serve nobody until its thread is gone', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const abort = new AbortController();
    const { ended } = await spin(pool, arena, abort.signal);
    const exited = once(pool.threads[0]!, 'exit');
    abort.abort();
    const error = await ended;
    expect(error.name).to.equal('AbortError');
    expect(arena.stats().blocks, 'the thread may still write').to.be.at.least(1);
    const { bytes } = arena.allocate(100_000);
    bytes.fill(5);
    await exited;
    expect(bytes.every(byte => byte === 5)).to.equal(true);
    expect(arena.stats().blocks).to.equal(1);
  });

  it('aborted before they run, terminated, exited, destroyed: all is back', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const abort = new AbortController();
    const running = await spin(pool, arena);
    const queued = rejected(
      runWithPayloads(pool, arena.share(pattern(5)), { signal: abort.signal }),
    );
    abort.abort();
    expect((await queued).name).to.equal('AbortError');
    expect(
      await rejected(runWithPayloads(pool, arena.share(pattern(5)), { signal: abort.signal })),
    ).to.have.property('name', 'AbortError');
    expect(arena.stats().bytes, 'of the one that runs').to.be.within(100_000, 300_000);
    await pool.destroy();
    expect((await running.ended).message).to.match(/Terminating worker thread/);
    await arena.whenEmpty();
    expect(arena.stats().blocks).to.equal(0);

    const other = make.pool(arena);
    const left = await rejected(runWithPayloads(other, arena.share(pattern(9)), { name: 'exit' }));
    expect(left.message).to.match(/exited with code: 3/);
    await arena.whenEmpty();
    expect(await runWithPayloads(other, arena.share(pattern(9)))).to.deep.equal(pattern(9));
    expect(arena.stats()).to.include({ blocks: 0, leaks: 0 });
  });

  it('a payload that nobody runs is free when it is released, or forgotten', async () => {
    const arena = make.arena();
    const payload = arena.share(pattern(100));
    const { bytes } = payload;
    payload.release();
    expect(bytes, 'detached').to.have.length(0);
    expect(() => bytes.fill(1)).to.throw(TypeError);
    expect(arena.stats()).to.include({ blocks: 0, leaks: 0 });
    const kept = [arena.share(pattern(100)).bytes];
    for (let i = 0; i < 10; i++) void arena.share(pattern(100));
    for (let i = 0; i < 10; i++) expect(arena.allocate(10).bytes).to.have.length(10);
    await collect();
    expect(arena.stats(), 'who keeps the bytes keeps the payload').to.include({
      blocks: 1,
      leaks: 20,
    });
    expect(kept[0]![3]).to.equal(pattern(100)[3]);
    kept.length = 0;
    await collect();
    expect(arena.stats()).to.include({ blocks: 0, leaks: 21 });
  });

  it('a borrowed result is free when it is released, or forgotten with its last view', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const borrow = (bytes: number) =>
      runWithPayloads<Uint8Array>(pool, { bytes, value: 7 }, { name: 'make', borrow: true });
    const released = await borrow(50_000);
    const part = released.value.subarray(5, 10);
    expect(arena.stats().blocks).to.equal(1);
    released.release();
    released.release();
    expect(part).to.have.length(0);
    expect(arena.stats().blocks).to.equal(0);

    const views = [(await borrow(50_000)).value.subarray(100, 200)];
    for (let i = 0; i < 5; i++) await borrow(1000);
    await collect();
    await collect();
    expect(arena.stats()).to.include({ blocks: 1, leaks: 5 });
    expect(views[0]![0], 'the loan lives as long as a view').to.equal(7);
    views.length = 0;
    await collect();
    await collect();
    expect(arena.stats()).to.include({ blocks: 0, leaks: 6 });
  });

  it('a borrowed result holds the payload that it lies in, not one of another arena at its place', async () => {
    const arena = make.arena();
    const other = make.arena();
    const pool = make.pool(arena);
    const task = { first: other.share(pattern(5000)), second: arena.share(pattern(5000, 2)) };
    const borrowed = await runWithPayloads<{ second: Buffer }>(pool, task, { borrow: true });
    expect(other.stats().blocks).to.equal(0);
    expect(arena.stats().blocks, 'the second payload, and room for the first').to.equal(2);
    expect(borrowed.value.second).to.deep.equal(pattern(5000, 2));
    borrowed.release();
    expect(arena.stats().blocks).to.equal(0);
  });

  it('one payload in several tasks stays until the last has settled', async () => {
    const arena = make.arena();
    const pool = make.pool(arena, { maxThreads: 2, minThreads: 2 });
    const bytes = arena.share(pattern(5000));
    const abort = new AbortController();
    const started = new Int32Array(new SharedArrayBuffer(4));
    const options = { name: 'spin', signal: abort.signal };
    const second = rejected(runWithPayloads(pool, { bytes, started }, options));
    await runWithPayloads(pool, bytes);
    expect(bytes.released).to.equal(false);
    while (Atomics.load(started, 0) === 0) await delay(1);
    abort.abort();
    await second;
    await arena.whenEmpty();
    expect(bytes.released).to.equal(true);
    expect(arena.stats().blocks).to.equal(0);
  });

  const total = amount(100_000, 10_000);
  it(`${total} tasks with random outcomes leave the arena empty`, async function () {
    this.timeout(120_000);
    const arena = make.arena({ bytes: 4 << 20 });
    const pool = make.pool(arena, { maxThreads: 2, concurrentTasksPerWorker: 4 });
    const next = random(11);
    const counts = { returned: 0, borrowed: 0, thrown: 0, aborted: 0, forgotten: 0 };
    let started = 0;
    const one = async (): Promise<void> => {
      const seed = started++;
      const length = next(200) === 0 ? next(1 << 20) : next(3000);
      const bytes = arena.allocate(length);
      bytes.bytes.fill(seed & 0xff);
      const roll = next(10_000);
      // Each of these costs a thread, which is started anew.
      const aborts = roll < amount(3, 30);
      const outcome = aborts ? 'wait' : roll < 3000 ? 'throw' : 'return';
      const task = { bytes, outcome, seed };
      if (outcome === 'throw') {
        // An error elsewhere may take the thread with it.
        await runWithPayloads(pool, task, { name: 'random' }).catch(() => {});
        counts.thrown++;
        return;
      }
      if (aborts) {
        const abort = new AbortController();
        const ended = runWithPayloads(pool, task, { name: 'random', signal: abort.signal });
        setTimeout(() => abort.abort(), next(3));
        await ended.catch(() => {});
        counts.aborted++;
        return;
      }
      try {
        if (roll < 6000) {
          const result = await runWithPayloads<Result>(pool, task, { name: 'random' });
          check(result, length, seed);
          counts.returned++;
          return;
        }
        const options = { name: 'random', borrow: true } as const;
        const result = await runWithPayloads<Result>(pool, task, options);
        check(result.value, length, seed);
        if (next(20) > 0) {
          result.release();
          counts.borrowed++;
        } else {
          counts.forgotten++;
        }
      } catch (error) {
        // Its thread was ended with that of an aborted task.
        if (!/Terminating worker thread/.test((error as Error).message)) throw error;
        counts.aborted++;
      }
    };
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (started < total) await one();
      }),
    );
    await collect();
    await collect();
    await arena.whenEmpty();
    const { blocks, bytes, leaks } = arena.stats();
    console.log(`      ${JSON.stringify({ ...counts, ...arena.stats() })}`);
    expect({ blocks, bytes }).to.deep.equal({ blocks: 0, bytes: 0 });
    expect(leaks).to.be.at.most(counts.forgotten);
    for (const count of Object.values(counts)) expect(count).to.be.above(20);
  });

  interface Result {
    check: boolean;
    bytes: Uint8Array;
  }

  function check(result: Result, length: number, seed: number): void {
    if (!result.check) throw new Error(`task ${seed} saw other bytes`);
    const { bytes } = result;
    if (bytes.length === length && bytes.every(byte => byte === (seed & 0xff))) return;
    throw new Error(`task ${seed} gave back other bytes`);
  }

  describe('in debug mode', () => {
    it('a view that a task kept is detached, and returning it is an error', async () => {
      const arena = make.arena({ debug: true });
      const pool = make.pool(arena);
      await runWithPayloads(pool, arena.share(pattern(5000)), { name: 'keep' });
      expect(await runWithPayloads(pool, 0, { name: 'useKept' })).to.deep.equal({
        length: 0,
        sum: 0,
      });
    });

    it('a write into memory that was freed is reported', async () => {
      const arena = make.arena({ debug: true });
      const pool = make.pool(arena);
      const fifo = path('fifo');
      execFileSync('mkfifo', [fifo]);
      const bytes = arena.share(pattern(1000));
      await runWithPayloads(pool, { bytes, fifo }, { name: 'readLater' });
      expect(arena.stats().blocks).to.equal(0);
      writeFileSync(fifo, 'x'.repeat(10));
      // Node's read ends when it ends; then the next to be given that memory is told.
      let error: ShmError | undefined;
      while (!error) {
        await delay(1);
        try {
          arena.allocate(1000).release();
        } catch (cause) {
          error = cause as ShmError;
        }
      }
      expect(error.code).to.equal('ERR_USE_AFTER_FREE');
      arena.allocate(1000).release(); // told once
      expect(arena.stats().blocks).to.equal(0);
    });

    it('freed memory is poisoned', async () => {
      const arena = make.arena({ debug: true });
      const pool = make.pool(arena);
      const payload = arena.allocate(5000);
      const { bytes } = payload;
      expect(bytes.every(byte => byte === 0xdb)).to.equal(true);
      bytes.fill(1);
      payload.release();
      const again = arena.allocate(5000);
      expect(again.bytes.every(byte => byte === 0xdb)).to.equal(true);
      again.release();
      expect(await runWithPayloads(pool, arena.share(pattern(50)))).to.deep.equal(pattern(50));
      expect(arena.stats().blocks).to.equal(0);
    });
  });

  it('without it, a view of an earlier task that a result has is an error', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    await runWithPayloads(pool, arena.share(pattern(5000)), { name: 'keep' });
    const error = await rejected(
      runWithPayloads(pool, arena.share(pattern(10)), { name: 'returnKept' }),
    );
    expect(error.code).to.equal('ERR_USE_AFTER_FREE');
    expect(arena.stats().blocks).to.equal(0);
  });

  it('close refuses new payloads, and the memory goes with the last that is in use', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const names = () => readdirSync(process.env.MMAP_TRANSPORT_DIR!);
    const idle = arena.share(pattern(9));
    const lent = await runWithPayloads<Uint8Array>(
      pool,
      { bytes: 5000, value: 3 },
      { name: 'make', borrow: true },
    );
    const running = runWithPayloads<Buffer>(pool, arena.share(pattern(9000)), {
      name: 'echoLater',
    });
    arena.close();
    expect(idle.released).to.equal(true);
    expect(names()).to.have.length(1);
    expect(await running).to.deep.equal(pattern(9000));
    expect(lent.value[4999]).to.equal(3);
    expect(names()).to.have.length(1);
    lent.release();
    expect(names()).to.deep.equal([]);
  });
});
