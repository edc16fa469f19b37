import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { type Channel, dialChannel, type Listener, listenChannel } from '../../../src/index.js';
import { rejected, thrown } from '../../support/errors.js';
import { socketPath } from '../../support/platform.js';
import { message, sibling, start } from '../../support/processes.js';
import { echoed } from './channel-echo.js';
import type { Orders } from './channel-peer.js';

const script = sibling(import.meta.url, './channel-peer.js');
const address = () => socketPath('channel.sock');

describe('listenChannel and dialChannel', function () {
  this.timeout(60_000);

  let listener: Listener<Channel> | undefined;

  afterEach(async () => {
    await listener?.close();
    listener = undefined;
  });

  /** A listener and one peer of it. */
  async function meet(orders: Omit<Orders, 'channel'>, kind = 'process') {
    const { codec = 'structured', sharedMemory = true } = orders;
    listener = await listenChannel(address(), { codec, capacity: 16384, maxMessage: 100_000 });
    const connected = once(listener, 'connection') as Promise<[Channel]>;
    const told: Orders = { ...orders, channel: address() };
    const peer = kind === 'thread' ? new Worker(script, { workerData: told }) : start(script);
    if (!(peer instanceof Worker)) peer.send(told);
    const [channel] = await connected;
    expect(await message(peer)).to.equal('open');
    expect(channel.transport).to.equal(sharedMemory ? 'shared-memory' : 'socket');
    expect(channel.fallbackReason).to.equal(
      sharedMemory ? undefined : 'shared memory is turned off',
    );
    return { channel, peer };
  }

  for (const sharedMemory of [true, false]) {
    const way = sharedMemory ? 'in shared memory' : 'over the socket';

    for (const kind of ['process', 'thread']) {
      it(`echoes in order ${way}, with a ${kind}, and tells of the end`, async () => {
        const { channel, peer } = await meet({ codec: 'bytes', does: 'echo', sharedMemory }, kind);
        const total = 3000;
        await echoed(channel as Channel<Uint8Array>, total, 4000);
        const told = message<number>(peer);
        await channel.close();
        expect(await told).to.equal(total);
        if (peer instanceof Worker) await peer.terminate();
      });
    }

    it(`${way}, says false to a peer that is behind, and nothing is lost`, async () => {
      const { channel, peer } = await meet({ does: 'stall', sharedMemory });
      let accepted = 0;
      const payload = 'x'.repeat(1000);
      // The kernel's own buffers, of a socket, take a part too.
      while (channel.send({ accepted, payload })) {
        expect(++accepted, 'messages in flight').to.be.below(1000);
        await new Promise(setImmediate);
      }
      const drained = once(channel, 'drain');
      (peer as { send(value: string): void }).send('go');
      await drained;
      const told = message<number>(peer);
      await channel.close();
      expect(await told).to.equal(accepted);
    });

    it(`${way}, tells that the peer was killed`, async () => {
      const { channel, peer } = await meet({ does: 'loop', sharedMemory });
      channel.on('message', () => {});
      const failed = once(channel, 'error') as Promise<[{ code: string }]>;
      const closed = new Promise<void>(resolve => channel.once('close', resolve));
      (peer as { kill(signal: string): void }).kill('SIGKILL');
      expect((await failed)[0].code).to.equal('ERR_PEER_DIED');
      await closed;
      expect(thrown(() => channel.handle).code).to.equal('ERR_UNSUPPORTED');
      expect((await rejected(channel.ready())).code).to.equal('ERR_CLOSED');
    });

    it(`${way}, a message beyond the limit is ERR_TOO_LARGE and changes nothing`, async () => {
      const { channel, peer } = await meet({ codec: 'bytes', does: 'echo', sharedMemory });
      const error = thrown(() => channel.send(Buffer.alloc(100_001)));
      expect(error.code).to.equal('ERR_TOO_LARGE');
      expect(error.message).to.match(/100000 .*100001/);
      channel.send(Buffer.from('ok'));
      expect(String((await once(channel, 'message'))[0])).to.equal('ok');
      const told = message(peer);
      await channel.close();
      expect(await told).to.equal(1);
    });
  }

  it('over the socket, refuses to block', async () => {
    const { channel } = await meet({ does: 'loop', sharedMemory: false });
    expect(thrown(() => channel.receiveSync()).code).to.equal('ERR_UNSUPPORTED');
    await channel.close();
  });

  it('in shared memory, blocks as a channel opened by its handle does', async () => {
    const { channel, peer } = await meet({ does: 'echo' });
    expect(channel.sendSync([1n])).to.equal(true);
    expect(channel.receiveSync(10_000)).to.deep.equal([1n]);
    const told = message(peer);
    await channel.close();
    await told;
  });

  it('refuses a peer of another codec, and tells both', async () => {
    listener = await listenChannel(address(), { codec: 'string' });
    const refused = once(listener, 'clientError') as Promise<[Error]>;
    const error = await rejected(dialChannel(address(), { codec: 'bytes' }));
    expect(error.code).to.equal('ERR_PROTOCOL');
    const told = /expected a peer for channel of string, got one for channel of bytes/;
    expect(error.message).to.match(told);
    expect((await refused)[0].message).to.match(told);
  });

  it('says at once what is no codec', async () => {
    const codec = 'xml' as 'bytes';
    expect((await rejected(dialChannel(address(), { codec }))).code).to.equal('ERR_INVALID_ARG');
    expect((await rejected(listenChannel(address(), { codec }))).code).to.equal('ERR_INVALID_ARG');
  });
});

describe('A listener of channels', () => {
  it('closes though users remove all listeners of its channels', async () => {
    const listener = await listenChannel(address());
    const accepted = once(listener, 'connection') as Promise<[Channel]>;
    const client = await dialChannel(address());
    const [channel] = await accepted;
    expect(channel.eventNames()).to.deep.equal([]);
    channel.removeAllListeners();
    await channel.close();
    await listener.close();
    expect(listener.connections.size).to.equal(0);
    await client.close();
  });
});
