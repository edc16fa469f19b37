import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Channel, type CodecOption, listenChannel, type ShmError } from '../../../src/index.js';
import { thrown } from '../../support/errors.js';
import { message, sibling, start } from '../../support/processes.js';
import { socketPath } from '../../support/platform.js';
import type { Orders } from './any-size-peer.js';
import { digest, make, type What } from './any-size-values.js';

const script = sibling(import.meta.url, './any-size-peer.js');
const MiB = 2 ** 20;

type Told = Omit<Orders, 'at'>;

async function launch(orders: Orders, kind = 'process') {
  const peer =
    kind === 'thread' ? new Worker(script, { workerData: orders }) : start(script, [], {});
  if (!(peer instanceof Worker)) peer.send(orders);
  expect(await message(peer)).to.equal('open');
  return peer;
}

describe('Messages of any size', function () {
  this.timeout(120_000);

  interface Way {
    readonly name: string;
    readonly capacity: number;
    readonly over: 'handle' | 'dial' | 'socket';
  }
  const ways: Way[] = [
    { name: 'in shared memory', capacity: MiB, over: 'handle' },
    { name: 'by a ring of 64 KiB', capacity: 65_536, over: 'handle' },
    { name: 'by a ring of 4 KiB', capacity: 4096, over: 'dial' },
    { name: 'over the socket', capacity: 65_536, over: 'socket' },
  ];

  let cleanUp: (() => Promise<unknown>) | undefined;
  afterEach(async () => {
    await cleanUp?.();
    cleanUp = undefined;
  });

  /** A channel and its peer. */
  async function meet({ capacity, over }: Omit<Way, 'name'>, told: Told, kind = 'process') {
    const options = { capacity, codec: told.codec ?? 'structured' };
    if (over === 'handle') {
      const channel = Channel.create({ ...options, closeTimeout: 20_000 });
      cleanUp = () => channel.close();
      return { channel, peer: await launch({ ...told, at: channel.handle }, kind) };
    }
    const at = socketPath('any-size.sock');
    const listener = await listenChannel(at, { ...options, closeTimeout: 20_000 });
    const connected = once(listener, 'connection') as Promise<[Channel]>;
    const opened = launch({ ...told, at, sharedMemory: over === 'dial' }, kind);
    const [channel] = await connected;
    cleanUp = () => Promise.all([channel.close(), listener.close()]);
    const peer = await opened;
    expect(channel.transport).to.equal(over === 'socket' ? 'socket' : 'shared-memory');
    return { channel, peer };
  }

  async function send(channel: Channel, value: unknown): Promise<void> {
    while (!channel.send(value)) await channel.ready();
  }

  const edge = (capacity: number) => [capacity / 2 - 9, capacity / 2 - 8, capacity / 2 - 7];

  for (const { name, capacity, over } of ways) {
    it(`of bytes, 0 B to 64 MiB, go both ways ${name}`, async () => {
      const { channel } = await meet({ capacity, over }, { does: 'echo', codec: 'bytes' });
      const most = capacity > 4096 ? 64 * MiB : 2 * MiB;
      const sizes = [
        0,
        1,
        100,
        ...edge(capacity),
        capacity,
        2 * capacity + 1,
        3 * MiB - 1,
        7,
        most,
      ];
      const got: string[] = [];
      const all = new Promise<void>(resolve => {
        channel.on('message', value => {
          got.push(digest(value));
          if (got.length === sizes.length) resolve();
        });
      });
      const sent: string[] = [];
      for (const [seed, bytes] of sizes.entries()) {
        const value = make({ kind: 'bytes', bytes, seed }) as Buffer;
        sent.push(digest(value));
        await send(channel, value);
        value.fill(0); // it was copied
      }
      await all;
      expect(got).to.deep.equal(sent);
    });

    it(`of every kind, mixed with small ones, come in order ${name}`, async () => {
      const { channel } = await meet({ capacity, over }, { does: 'digest' });
      const values: What[] = [];
      for (let i = 0; i < 12; i++) {
        const kind = (['bytes', 'string', 'wide', 'list', 'map'] as const)[i % 5]!;
        values.push({ kind, bytes: 200 * (i + 1) }, { kind, bytes: 300_000 + 7 * i, seed: i });
      }
      if (capacity > 4096) values.push({ kind: 'list', bytes: 10 * MiB });
      const got: unknown[] = [];
      channel.on('message', value => got.push(value));
      for (const what of values) await send(channel, make(what));
      while (got.length < values.length) await once(channel, 'message');
      expect(got).to.deep.equal(values.map(what => digest(make(what))));
    });

    it(`wait for a reader that is stopped half-way, ${name}`, async () => {
      const { channel, peer } = await meet({ capacity, over }, { does: 'digest' });
      const child = peer as ChildProcess;
      const what: What = { kind: 'bytes', bytes: 3 * MiB };
      process.kill(child.pid!, 'SIGSTOP');
      expect(channel.send(make(what))).to.equal(true);
      for (let i = 0; i < 20; i++) {
        await sleep(2);
        expect(channel.send('more')).to.equal(false);
      }
      const drained = once(channel, 'drain');
      process.kill(child.pid!, 'SIGCONT');
      await drained;
      const answered = once(channel, 'message');
      await send(channel, 'more');
      expect((await answered)[0]).to.equal(digest(make(what)));
      expect((await once(channel, 'message'))[0]).to.equal(digest('more'));
    });

    it(`are all there after close, ${name}`, async () => {
      const values: What[] = [
        { kind: 'string', bytes: 10 },
        { kind: 'list', bytes: 500_000 },
        { kind: 'bytes', bytes: 2 * MiB },
      ];
      const told: Told = { does: 'send', values, ending: 'close' };
      const { channel, peer } = await meet({ capacity, over }, told);
      const got: string[] = [];
      const isSent = message(peer);
      channel.on('message', value => got.push(digest(value)));
      const ended = once(channel, 'end'); // which may come before what the peer says elsewhere
      expect(await isSent).to.equal('sent');
      await ended;
      expect(got).to.deep.equal(values.map(what => digest(make(what))));
    });
  }

  it('go to and from a thread', async () => {
    const way = { capacity: 65_536, over: 'handle' } as const;
    const { channel, peer } = await meet(way, { does: 'echo' }, 'thread');
    const value = make({ kind: 'list', bytes: MiB });
    channel.send(value);
    expect((await once(channel, 'message'))[0]).to.deep.equal(value);
    await channel.close();
    await (peer as Worker).terminate();
  });

  it('block both ways with sendSync and receiveSync', async () => {
    const { channel } = await meet({ capacity: 65_536, over: 'handle' }, { does: 'echo' });
    for (const bytes of [10, 40_000, 5 * MiB, 0, 32_000]) {
      const value = make({ kind: 'bytes', bytes });
      expect(channel.sendSync(value)).to.equal(true);
      expect(digest(channel.receiveSync())).to.equal(digest(value));
    }
    expect(channel.receiveSync(10)).to.equal(undefined);
  });

  it('are not sent at all where sendSync runs out of time half-way', async () => {
    const one = Channel.create({ capacity: 4096 });
    const other = Channel.open(one.handle);
    cleanUp = () => Promise.all([one.close(), other.close()]);
    const rows = make({ kind: 'list', bytes: 20_000 }) as object[];
    expect(one.sendSync('before')).to.equal(true);
    expect(one.sendSync(rows, 5)).to.equal(false);
    // The ring is full of its pieces: the abort waits for room.
    expect(one.send('x')).to.equal(false);
    expect(one.sendSync('x', 5)).to.equal(false);
    const drained = once(one, 'drain');
    const got: unknown[] = [];
    other.on('message', value => got.push(value));
    await drained;
    // The keys of its objects were in what was given up: they are told again.
    for (const value of [rows[0], rows, 'last']) await send(one, value);
    while (got.length < 4) await once(other, 'message');
    expect(got).to.deep.equal(['before', rows[0], rows, 'last']);
  });

  it('accept no second one before the first is in, and no accessor that sends breaks them', async () => {
    const one = Channel.create({ capacity: 4096 });
    const other = Channel.open(one.handle);
    cleanUp = () => Promise.all([one.close(), other.close()]);
    const long = make({ kind: 'list', bytes: 10_000 });
    const value = {
      get inner() {
        return one.send(long);
      },
      rows: long,
    };
    expect(one.send(value)).to.equal(false); // its own accessor came first
    const got: unknown[] = [];
    other.on('message', received => got.push(received));
    await send(one, { after: long });
    while (got.length < 2) await once(other, 'message');
    expect(got).to.deep.equal([long, { after: long }]);
  });

  it('beyond maxMessage are refused, and change nothing', async () => {
    for (const codec of ['bytes', 'string', 'structured', 'custom'] as const) {
      const own = {
        encode: (value: Uint8Array) => value,
        decode: (bytes: Uint8Array) => Buffer.from(bytes),
      };
      const used = (codec === 'custom' ? own : codec) as CodecOption<unknown>;
      const options = { codec: used, maxMessage: 100_000 };
      const one = Channel.create({ ...options, capacity: 4096 });
      const other = Channel.open(one.handle, options);
      const fill = (bytes: number) =>
        codec === 'string' ? 'x'.repeat(bytes) : Buffer.alloc(bytes);
      const error = thrown(() => one.send(fill(100_001)));
      expect(error.code, codec).to.equal('ERR_TOO_LARGE');
      expect(thrown(() => one.sendSync(fill(100_001))).code, codec).to.equal('ERR_TOO_LARGE');
      expect(error.message).to.match(/at most 100000 .*(100001|100008)/);
      const got = once(other, 'message');
      expect(one.send(fill(99_000))).to.equal(true);
      expect(((await got)[0] as Buffer).length, codec).to.equal(99_000);
      await Promise.all([one.close(), other.close()]);
    }
  });

  it('that are endless are given up while they are encoded', () => {
    const one = Channel.create({ maxMessage: 10_000_000 });
    cleanUp = () => one.close();
    const rows = Array.from({ length: 100_000 }, () => 'x'.repeat(10_000)); // a gigabyte
    const before = process.memoryUsage().rss;
    expect(thrown(() => one.send(rows)).code).to.equal('ERR_TOO_LARGE');
    expect(process.memoryUsage().rss - before).to.be.below(100 * MiB);
    expect(one.send('fine')).to.equal(true);
  });

  it('tell the receiver where the sender gave them up at its close', async () => {
    const one = Channel.create({ capacity: 4096, closeTimeout: 50 });
    const other = Channel.open(one.handle);
    cleanUp = () => Promise.all([one.close(), other.close()]);
    one.send('before');
    one.send(make({ kind: 'bytes', bytes: 100_000 }));
    const closing = one.close();
    expect(thrown(() => one.send(1)).code).to.equal('ERR_CLOSED');
    expect(thrown(() => one.sendSync(1)).code).to.equal('ERR_CLOSED');
    await closing;
    const got: unknown[] = [];
    other.on('message', value => got.push(value));
    const [error] = (await once(other, 'error')) as [ShmError];
    expect(error.code).to.equal('ERR_PEER_CLOSED');
    expect(got).to.deep.equal(['before']);
  });

  it('that nobody reads any more end with the reader', async () => {
    const one = Channel.create({ capacity: 4096 });
    const other = Channel.open(one.handle);
    cleanUp = () => Promise.all([one.close(), other.close()]);
    const ended = once(
      one.on('message', () => {}),
      'end',
    );
    expect(one.send(make({ kind: 'bytes', bytes: 100_000 }))).to.equal(true);
    await other.close();
    await ended;
    await once(one, 'close');
  });
});
