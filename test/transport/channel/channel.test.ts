import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Channel, ShmError, type WaitStrategy } from '../../../src/index.js';
import { rejected } from '../../support/errors.js';
import { message, outcome, sibling, start } from '../../support/processes.js';
import { echoed } from './channel-echo.js';
import type { Orders } from './channel-peer.js';

const script = sibling(import.meta.url, './channel-peer.js');

async function launch(orders: Orders, kind = 'process') {
  const peer =
    kind === 'thread' ? new Worker(script, { workerData: orders }) : start(script, [], {});
  if (!(peer instanceof Worker)) peer.send(orders);
  expect(await message(peer)).to.equal('open');
  return peer;
}

describe('Channel', function () {
  this.timeout(60_000);

  for (const kind of ['process', 'thread']) {
    for (const wait of ['park', { spin: 50 }, 'busy'] as WaitStrategy[]) {
      it(`echoes in order, with a ${kind}, waiting by ${JSON.stringify(wait)}`, async () => {
        const channel = Channel.create<Uint8Array>({ capacity: 16384, codec: 'bytes', wait });
        const orders: Orders = { channel: channel.handle, codec: 'bytes', wait, does: 'echo' };
        const peer = await launch(orders, kind);
        const total = 3000;
        await echoed(channel, total, 2000);
        const told = message<number>(peer);
        await channel.close();
        expect(await told).to.equal(total);
        if (peer instanceof Worker) await peer.terminate();
      });
    }
  }

  it('works within one thread', async () => {
    const one = Channel.create<string>({ codec: 'string' });
    const other = Channel.open<string>(one.handle, { codec: 'string' });
    other.on('message', text => other.send(text.toUpperCase()));
    one.send('hällo 😀');
    expect(await once(one, 'message')).to.deep.equal(['HÄLLO 😀']);
    const ended = once(other, 'end');
    await one.close();
    await ended;
    await other.close();
  });

  it('says false when the peer does not read, stays bounded, and drains later', async () => {
    const channel = Channel.create<Uint8Array>({ capacity: 65536, codec: 'bytes' });
    const peer = await launch({ channel: channel.handle, codec: 'bytes', does: 'stall' });
    const value = Buffer.alloc(1000);
    let accepted = 0;
    while (channel.send(value)) accepted++;
    expect(accepted).to.be.within(60, 65);
    // The sender's loop is free: turns go by while the peer stalls.
    for (let i = 0; i < 10; i++) await nextTurn();
    expect(channel.send(value)).to.equal(false);
    const drained = once(channel, 'drain');
    if (!(peer instanceof Worker)) peer.send('go on');
    await drained;
    expect(channel.send(value)).to.equal(true);
    const told = message<number>(peer);
    await channel.close();
    expect(await told).to.equal(accepted + 1);
  });

  it('blocks for a message and for room, with a limit', async () => {
    const channel = Channel.create<string>({ capacity: 4096, codec: 'string', wait: 'park' });
    const peer = await launch({ channel: channel.handle, codec: 'string', does: 'echo' });
    expect(channel.receiveSync(20)).to.equal(undefined);
    for (let i = 0; i < 1000; i++) {
      expect(channel.sendSync(`message ${i}`)).to.equal(true);
      expect(channel.receiveSync()).to.equal(`message ${i}`);
    }
    const told = message(peer);
    await channel.close();
    expect(await told).to.equal(1000);
  });

  it('times out where the peer makes no room', () => {
    const channel = Channel.create<string>({ capacity: 4096, codec: 'string' });
    const long = 'x'.repeat(1500);
    while (channel.send(long));
    expect(channel.sendSync(long, 20)).to.equal(false);
    void channel.close();
  });

  it('delivers what a killed peer had sent, then tells its death', async () => {
    const channel = Channel.create();
    const peer = await launch({ channel: channel.handle, does: 'loop' });
    channel.on('message', () => {});
    const failed = once(channel, 'error');
    if (!(peer instanceof Worker)) peer.kill('SIGKILL');
    const [error] = (await failed) as [ShmError];
    expect(error.code).to.equal('ERR_PEER_DIED');
    await once(channel, 'close');
    expect(channel.closed).to.equal(true);
  });

  it('unreferenced, it still hears at once while something else keeps the loop', async () => {
    const channel = Channel.create<string>({ codec: 'string', wait: { spin: 1_000_000 } });
    await launch({ channel: channel.handle, codec: 'string', does: 'echo' });
    channel.unref();
    // Left to a timer or to the sweep that looks for dead peers, each would take 250 ms.
    const keepsTheLoop = setInterval(() => {}, 60_000);
    const start = performance.now();
    for (let i = 0; i < 40; i++) {
      const heard = once(channel, 'message');
      channel.send(`hello ${i}`);
      expect(await heard).to.deep.equal([`hello ${i}`]);
    }
    expect(performance.now() - start).to.be.below(4000);
    clearInterval(keepsTheLoop);
    await channel.close();
  });

  it('does not keep a process alive that unreferenced it', async () => {
    const channel = Channel.create();
    const peer = start(script, [], { silent: true });
    const ended = outcome(peer);
    peer.send({ channel: channel.handle, does: 'idle' } satisfies Orders);
    const { code, stderr } = await ended;
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    await channel.close();
  });

  it('refuses misuse, and loses nothing by it', async () => {
    const channel = Channel.create({ capacity: 4096, maxMessage: 4096 });
    const other = Channel.open(channel.handle);
    const code = (call: () => unknown) => {
      try {
        call();
      } catch (error) {
        return (error as ShmError).code;
      }
      return undefined;
    };
    expect(code(() => Channel.open(channel.handle))).to.equal('ERR_ROLE_TAKEN');
    expect(code(() => Channel.open({} as never))).to.equal('ERR_INVALID_ARG');
    expect(code(() => Channel.create({ codec: 'json' as never }))).to.equal('ERR_INVALID_ARG');
    expect(code(() => Channel.create({ wait: 'nap' as never }))).to.equal('ERR_INVALID_ARG');
    for (const maxMessage of [0, 1.5, 2 ** 31 + 1, Number.NaN, '1' as never]) {
      expect(code(() => Channel.create({ maxMessage }))).to.equal('ERR_OUT_OF_RANGE');
    }
    expect(code(() => channel.send('x'.repeat(5000)))).to.equal('ERR_TOO_LARGE');
    expect(() => channel.send(() => 1)).to.throw(/could not be cloned/);
    expect(() => channel.send({ deep: [Symbol('s')] })).to.throw(/could not be cloned/);
    channel.send('still fine');
    expect(other.receiveSync()).to.equal('still fine');
    await other.close();
    expect(code(() => channel.send(1) && channel.send(2))).to.equal(undefined);
    await channel.close();
    await channel.close();
    expect(code(() => channel.send(1))).to.equal('ERR_CLOSED');
    expect((await rejected(channel.ready())).code).to.equal('ERR_CLOSED');
  });

  it('goes on after a listener threw', async () => {
    const channel = Channel.create<number>();
    const other = Channel.open<number>(channel.handle);
    for (let i = 0; i < 4; i++) channel.send(i);
    const seen: number[] = [];
    const caught: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', error => caught.push(error.message));
    try {
      await new Promise<void>(resolve => {
        other.on('message', value => {
          seen.push(value);
          if (value === 1) throw new Error('listener');
          if (value === 3) resolve();
        });
      });
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
    expect(seen).to.deep.equal([0, 1, 2, 3]);
    expect(caught).to.deep.equal(['listener']);
    await channel.close();
    await other.close();
  });
});
