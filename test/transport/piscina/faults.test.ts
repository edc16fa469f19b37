import { constants } from 'node:buffer';
import { truncateSync, writeFileSync } from 'node:fs';
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { Piscina } from 'piscina';
import { PayloadArena, runWithPayloads } from '../../../src/transport/piscina/index.js';
import { arenaHeaderBytes, pieceBytes } from '../../../src/transport/piscina/arena-layout.js';
import { collect, holdsOf, scratch, skip } from '../../native/support.js';
import { rejected, thrown } from '../../support/errors.js';
import { pattern, workshop } from './support.js';

const onWindows = process.platform === 'win32';
const onLinux = process.platform === 'linux';

describe('Faults around payloads', () => {
  const path = scratch();
  const make = workshop(() => Piscina);

  it('an array of a stranger that looks like a message of ours is an array', async () => {
    const arena = make.arena();
    const secret = arena.share(pattern(5000), { keep: true });
    const pool = make.pool(arena);
    const { byteOffset } = secret.bytes;
    for (const first of ['mmap:payload', 'mmap:result', 'mmap:task', 0.5, 1, null]) {
      const forged = [
        [first, 2, arenaHeaderBytes, 100, null],
        [first, 0, byteOffset, 8, 'nowhere'],
        [first, 'x'],
        [first, 1, 2, { a: 1 }],
        [first, 1.5, 4096, 1, 4096, 100, null, 'task'],
      ];
      for (const body of JSON.parse(JSON.stringify(forged)) as unknown[][]) {
        const payload = arena.share(pattern(100));
        const got = await runWithPayloads<unknown>(pool, { body, payload });
        expect(got).to.deep.equal({ body, payload: pattern(100) });
        expect(await runWithPayloads(pool, body)).to.deep.equal(body);
        expect(await pool.run(body, { name: 'echo' })).to.deep.equal(body);
      }
    }
    expect(arena.stats().blocks).to.equal(1);
  });

  it('memory that is allocated when the task has settled is nobody else’s', async () => {
    for (const debug of [false, true]) {
      const arena = make.arena({ debug });
      const pool = make.pool(arena);
      await runWithPayloads(pool, 0, { name: 'leaveAllocate' });
      const payload = arena.allocate(1 << 20);
      payload.bytes.fill(1);
      await runWithPayloads(pool, 0, { name: 'allocateLate' });
      expect(payload.bytes.every(byte => byte === 1)).to.equal(true);
    }
  });

  it('a task whose queue options cannot be read takes nothing', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const task = {
      payload: arena.share(pattern(100)),
      get [Symbol.for('Piscina.queueOptions')](): never {
        throw new Error('on purpose');
      },
    };
    expect((await rejected(runWithPayloads(pool, task))).message).to.equal('on purpose');
    task.payload.release();
    await arena.whenEmpty();
    expect(arena.stats().blocks).to.equal(0);
  });

  it('payloads of a task that cannot be cloned, or not even read, are free at once', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    await runWithPayloads(pool, 1); // so that the thread is up
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const tasks: (() => object)[] = [
      () => ({ p: arena.share(pattern(9000)), f() {} }),
      () => [() => {}, arena.share(pattern(9000))],
      () => ({ p: arena.share(pattern(9000)), s: Symbol('none') }),
      () => ({ p: arena.share(pattern(9000)), promise: Promise.resolve() }),
      () => ({ proxy: revoked.proxy, p: arena.share(pattern(9000)) }),
      () => ({
        get bad(): never {
          throw new Error('on purpose');
        },
        p: arena.share(pattern(9000)),
      }),
    ];
    for (const task of tasks) {
      const error = await rejected(runWithPayloads(pool, task()));
      expect(error.name).to.be.oneOf(['DataCloneError', 'TypeError', 'Error']);
      expect(arena.stats(), error.message).to.include({ blocks: 0, bytes: 0 });
    }
    const kept = arena.share(pattern(9000), { keep: true });
    await rejected(runWithPayloads(pool, { kept, f() {} }));
    expect(kept.released).to.equal(false);
    kept.release();
    expect(arena.stats()).to.include({ blocks: 0, leaks: 0 });
  });

  it('an arena whose file is cut says so, and delivers no zeros', async function () {
    if (onWindows) this.skip(); // there a mapped file cannot be cut
    const arena = make.arena({ bytes: 1 << 20 });
    const pool = make.pool(arena);
    const task = runWithPayloads(pool, arena.share(pattern(9000)));
    truncateSync(arena.handle.path, 0);
    expect((await rejected(task)).code).to.equal('ERR_TRUNCATED');
    expect(thrown(() => arena.share(pattern(100))).code).to.equal('ERR_TRUNCATED');
    expect(thrown(() => arena.allocate(100)).code).to.equal('ERR_TRUNCATED');
    expect(arena.stats()).to.include({ blocks: 0, leaks: 0 });
  });

  it('a closed arena gives its memory back at once, also after tasks and results', async function () {
    if (!onLinux) skip(this, 'only /proc tells');
    for (const after of ['nothing', 'payloads', 'tasks'] as const) {
      const arena = make.arena({ bytes: 1 << 20 });
      const { path } = arena.handle;
      if (after === 'payloads') arena.share(pattern(100)).bytes.fill(1);
      if (after === 'tasks') {
        const pool = make.pool(arena);
        expect(await runWithPayloads(pool, arena.share(pattern(5000)))).to.have.length(5000);
        await pool.destroy();
      }
      expect(holdsOf(path).mappings, after).to.be.at.least(1);
      arena.close();
      expect(holdsOf(path), after).to.deep.equal({ descriptors: 0, mappings: 0 });
    }
    const arena = make.arena({ bytes: 1 << 20 });
    const pool = make.pool(arena);
    const wish = { bytes: 5000, value: 3 };
    const options = { name: 'make', borrow: true } as const;
    const lent = await runWithPayloads<Uint8Array>(pool, wish, options);
    arena.close();
    expect(lent.value[4999], 'in use').to.equal(3);
    expect(holdsOf(arena.handle.path).mappings).to.be.at.least(1);
    lent.release();
    await pool.destroy(); // its thread has a hold on it, too
    expect(holdsOf(arena.handle.path)).to.deep.equal({ descriptors: 0, mappings: 0 });
  });

  it('a pool that outlives its arenas lets go of those that are closed', async function () {
    if (!onLinux) skip(this, 'only /proc tells');
    const home = make.arena();
    const pool = make.pool(home);
    const paths: string[] = [];
    for (let i = 0; i < 4; i++) {
      const arena = make.arena({ bytes: 1 << 20 });
      const source = pattern(5000, i);
      expect(await runWithPayloads(pool, arena.share(source), { arena })).to.deep.equal(source);
      paths.push(arena.handle.path);
      arena.close();
    }
    paths.pop(); // of the last, until the next one comes
    for (const path of paths) expect(holdsOf(path).mappings).to.equal(0);
    expect(await runWithPayloads(pool, home.share(pattern(9)))).to.deep.equal(pattern(9));
  });

  it('a handler that was not made with payloadTask is refused, whatever it returns', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    for (const name of ['plain', 'plainEcho', 'plainText', 'plainNothing', 'plainReader']) {
      for (const borrow of [false, true] as const) {
        const task = { image: arena.share(pattern(1000)) };
        const options = { name, borrow } as { name: string; borrow: true };
        const error = await rejected(runWithPayloads(pool, task, options));
        expect(error, name).to.include({ name: 'ShmError', code: 'ERR_INVALID_ARG' });
        expect(error.message).to.match(/expected a handler made with payloadTask, got/);
        expect(arena.stats(), name).to.include({ blocks: 0 });
      }
    }
    // Errors of Piscina's own, and of handlers that are wrapped, stay what they are.
    const wrapped = await rejected(runWithPayloads(pool, null, { name: 'fail' }));
    expect(wrapped).to.include({ name: 'TypeError' });
    const none = await rejected(runWithPayloads(pool, 1, { name: 'noSuchHandler' }));
    expect(none.message).to.match(/No handler function/);
  });

  it('with every task slot in use, too, and where another has the only part', async () => {
    const arena = make.arena({ bytes: 4096 });
    const second = PayloadArena.open(arena.handle);
    arena.share(pattern(5), { keep: true });
    const pool = make.pool(arena);
    const options = { arena: second };
    const plain = runWithPayloads(pool, 1, { ...options, name: 'plainText' });
    expect((await rejected(plain)).message).to.match(/payloadTask/);
    const source = pattern(5000);
    expect(await runWithPayloads(pool, second.share(source), options)).to.deep.equal(source);
    expect(second.stats()).to.include({ blocks: 0, fallbacks: 2 });
    second.close();
  });

  it('wrong arguments are reported, change nothing, and lose no payload', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const payload = arena.share(pattern(100));
    const wrong: [pool: unknown, options?: unknown][] = [
      [undefined],
      [arena],
      [{ run() {} }],
      [pool, null],
      [pool, 'echo'],
      [pool, { transferList: 5 }],
      [pool, { filename: 5 }],
      [pool, { name: {} }],
      [pool, { signal: 5 }],
      [pool, { arena: {} }],
      [pool, { arena: arena.handle }],
    ];
    for (const [to, options] of wrong) {
      const error = await rejected(runWithPayloads(to as never, payload, options as never));
      expect(error).to.include({ name: 'ShmError', code: 'ERR_INVALID_ARG' });
    }
    expect(payload.released).to.equal(false);
    const create = (options: unknown) => thrown(() => PayloadArena.create(options as never)).code;
    for (const options of [undefined, null, 5, { bytes: '5' }, { bytes: 5, directory: 5 }]) {
      expect(create(options)).to.equal('ERR_INVALID_ARG');
    }
    expect(thrown(() => arena.share(pattern(1), null as never)).code).to.equal('ERR_INVALID_ARG');
    for (const length of [-1, 1.5, NaN, 2 ** 60, '5']) {
      expect(thrown(() => arena.allocate(length as never)).code).to.equal('ERR_OUT_OF_RANGE');
      expect(await runWithPayloads(pool, length, { name: 'allocateWrong' })).to.equal(
        'ERR_OUT_OF_RANGE',
      );
      expect(await pool.run(length, { name: 'allocateWrong' })).to.equal('ERR_OUT_OF_RANGE');
    }
    payload.release();
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });

  it('a closed arena is reported', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const payload = arena.share(pattern(9));
    arena.close();
    for (const task of [{ a: 1 }, payload]) {
      const error = await rejected(runWithPayloads(pool, task));
      expect(error).to.include({ code: 'ERR_CLOSED', address: arena.handle.path });
    }
    const other = make.arena();
    const both = { payload, other: other.share(pattern(9)) };
    expect((await rejected(runWithPayloads(pool, both))).code).to.equal('ERR_CLOSED');
    expect(both.other.released).to.equal(false);
    both.other.release();
  });

  it('an arena longer than this Node can view is refused before anything is made', () => {
    const before = readdirSync(process.env.MMAP_TRANSPORT_DIR!);
    for (const bytes of [constants.MAX_LENGTH, constants.MAX_LENGTH * 2, 2 ** 53 - 1]) {
      for (const parts of [1, 7]) {
        const error = thrown(() => PayloadArena.create({ bytes, parts }));
        expect(error.code).to.equal('ERR_OUT_OF_RANGE');
        expect(error.message).to.match(/bytes must be at most \d+, got \d+/);
      }
    }
    expect(readdirSync(process.env.MMAP_TRANSPORT_DIR!)).to.deep.equal(before);
    if (onWindows || constants.MAX_LENGTH > 2 ** 33) return;
    const file = path('long');
    writeFileSync(file, '', { mode: 0o600 });
    truncateSync(file, constants.MAX_LENGTH + 4096); // takes up no room
    expect(thrown(() => PayloadArena.open({ path: file })).code).to.equal('ERR_OUT_OF_RANGE');
  });

  it('places beyond 2 GiB are not cut to 32 bits', () => {
    expect(pieceBytes(2 ** 31 + 5)).to.equal(2 ** 31 + 16);
    expect(pieceBytes(2 ** 33 - 1)).to.equal(2 ** 33);
  });

  it('views that are cloned are counted, those that are transferred or shared are not', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const run = async (task: unknown, options = {}) => {
      const before = arena.stats().fallbacks;
      await runWithPayloads(pool, task, { name: 'describeTask', ...options });
      return arena.stats().fallbacks - before;
    };
    expect(await run({ payload: arena.share(pattern(10)) })).to.equal(0);
    expect(await run({ payload: arena.share(pattern(10)), more: pattern(10) })).to.equal(1);
    expect(await run(pattern(10))).to.equal(1);
    expect(
      await run([new Float64Array(5), new Map([[1, new DataView(new ArrayBuffer(8))]])]),
    ).to.equal(2);
    const gift = new Uint8Array(5);
    expect(await run({ gift }, { transferList: [gift.buffer] })).to.equal(0);
    expect(await run(Piscina.move(new Uint8Array(5)))).to.equal(0);
    expect(await run(new Int32Array(new SharedArrayBuffer(8)))).to.equal(0);
  });

  it('a view of shared memory in a result stays shared', async () => {
    const arena = make.arena();
    const pool = make.pool(arena);
    const memory = new SharedArrayBuffer(8);
    const options = { name: 'shareMemory' };
    const { view } = await runWithPayloads<{ view: Int32Array }>(pool, { memory }, options);
    Atomics.store(view, 0, 7);
    expect(new Int32Array(memory)[0]).to.equal(7);
    await collect();
    expect(arena.stats()).to.include({ blocks: 0, fallbacks: 0 });
  });
});
