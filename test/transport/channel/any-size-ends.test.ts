import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Channel, type CodecOption, listenChannel, Ring } from '../../../src/index.js';
import { MessageRings } from '../../../src/transport/channel/message-rings.js';
import { pieceLength, RecordKind } from '../../../src/transport/ring/layout.js';
import { thrown } from '../../support/errors.js';
import { collect } from '../../support/garbage.js';
import { socketPath } from '../../support/platform.js';
import { sibling, start } from '../../support/processes.js';
import type { Orders } from './any-size-peer.js';
import { digest, make, type What } from './any-size-values.js';
import type { VictimOrders } from './any-size-victim.js';

const peerScript = sibling(import.meta.url, './any-size-peer.js');
const victimScript = sibling(import.meta.url, './any-size-victim.js');
const MiB = 2 ** 20;

/** What a channel delivers, and how it ends. */
async function heard(channel: Channel) {
  const got: unknown[] = [];
  let ending = 'close';
  channel.on('message', value => got.push(value));
  channel.on('end', () => (ending = 'end'));
  channel.on('error', error => (ending = String((error as NodeJS.ErrnoException).code)));
  await new Promise<void>(resolve => channel.once('close', resolve));
  return { got, ending };
}

describe('A long message whose sender', function () {
  this.timeout(120_000);

  it('is killed at any of its pieces is handed out whole, or not at all', async () => {
    const capacity = 4096;
    const bytes = 20 * pieceLength(capacity) - 8;
    for (let piece = 1; piece <= 20; piece += piece === 1 || piece > 17 ? 1 : 3) {
      for (const when of ['before', 'after'] as const) {
        const channel = Channel.create<Uint8Array>({ capacity, codec: 'bytes' });
        const child = start(victimScript);
        child.send({ at: channel.handle, bytes, piece, when } satisfies VictimOrders);
        const { got, ending } = await heard(channel);
        expect(ending, `${when} ${piece}`).to.equal('ERR_PEER_DIED');
        expect(String(got[0])).to.equal('before');
        const isWhole = piece === 20 && when === 'after';
        expect(got.length, `${when} ${piece}`).to.equal(isWhole ? 2 : 1);
        if (isWhole) expect(got[1]).to.deep.equal(Buffer.alloc(bytes, 7));
      }
    }
  });

  it('is killed at any write to the socket is handed out whole, or not at all', async () => {
    const address = socketPath('victim.sock');
    const listener = await listenChannel<Uint8Array>(address, { codec: 'bytes', capacity: 65_536 });
    try {
      const bytes = 40 * pieceLength(65_536);
      for (const piece of [1, 2, 3, 9, 40, 41]) {
        const connected = once(listener, 'connection') as Promise<[Channel]>;
        const child = start(victimScript);
        child.send({ at: address, bytes, piece, when: 'after' } satisfies VictimOrders);
        const { got, ending } = await heard((await connected)[0]);
        expect(ending, `${piece}`).to.equal('ERR_PEER_DIED');
        expect(String(got[0])).to.equal('before');
        expect(got.length, `${piece}`).to.be.at.most(piece === 41 ? 2 : 1);
        if (got[1]) expect(got[1]).to.deep.equal(Buffer.alloc(bytes, 7));
      }
    } finally {
      await listener.close();
    }
  });

  const values: What[] = [
    { kind: 'string', bytes: 10 },
    { kind: 'list', bytes: 300_000 },
    { kind: 'bytes', bytes: 4 * MiB },
  ];
  const endings = { exit: 'end', 'exit 1': 'ERR_PEER_DIED', natural: 'end', unref: 'end' } as const;

  for (const over of ['handle', 'socket'] as const) {
    for (const [ending, expected] of Object.entries(endings)) {
      if (over === 'socket' && ending === 'natural') continue; // a socket keeps its process alive
      it(`ends by "${ending}" while it is on its way by ${over}: the rest follows`, async () => {
        const options = { capacity: 16_384, codec: 'structured' as CodecOption<unknown> };
        const address = socketPath('ends.sock');
        const listener = over === 'socket' ? await listenChannel(address, options) : undefined;
        const connected = listener && (once(listener, 'connection') as Promise<[Channel]>);
        const own = listener ? undefined : Channel.create(options);
        const child = start(peerScript);
        const orders: Orders = {
          ...{ at: own?.handle ?? address, does: 'send', values, sharedMemory: !listener },
          ending: ending as never,
        };
        child.send(orders);
        const channel = own ?? (await connected!)[0];
        const { got, ending: seen } = await heard(channel);
        await listener?.close();
        expect(got.map(digest)).to.deep.equal(values.map(what => digest(make(what))));
        expect(seen).to.equal(expected);
      });
    }
  }

  it('is a thread that ends while it is on its way: the rest follows', async () => {
    const channel = Channel.create({ capacity: 16_384 });
    const workerData = { at: channel.handle, does: 'send', values, ending: 'exit' } as Orders;
    new Worker(peerScript, { workerData });
    const { got, ending } = await heard(channel);
    expect(got.map(digest)).to.deep.equal(values.map(what => digest(make(what))));
    expect(ending).to.equal('end');
  });

  it('ends, and nobody reads: it waits for as long as was said, and the reader learns of it', async () => {
    const channels = [1, 2].map(() => Channel.create({ capacity: 16_384 }));
    const children = channels.map(channel => {
      const child = start(peerScript);
      const orders: Orders = {
        ...{
          at: channel.handle,
          does: 'send',
          values: values.slice(0, 2),
          ending: 'exit',
          closeTimeout: 300,
        },
      };
      child.send(orders);
      return child;
    });
    await Promise.all(children.map(child => once(child, 'exit')));
    for (const channel of channels) {
      const { got, ending } = await heard(channel);
      expect(got.map(digest)).to.deep.equal([digest(make(values[0]!))]);
      expect(ending).to.equal('ERR_PEER_CLOSED');
    }
  });
});

describe('Pieces of a long message that lie', function () {
  this.timeout(60_000);
  const capacity = 4096;
  const maxMessage = 100_000;

  function meet() {
    const channel = Channel.create<Uint8Array>({ capacity, codec: 'bytes', maxMessage });
    const liar = MessageRings.inRegion(channel.handle.path, { maxMessage });
    const put = (kind: number, payload: Buffer) => {
      const at = liar.output.tryReserveRange(payload.length);
      payload.copy(liar.output.records, at);
      liar.output.commitPiece(payload.length, kind);
    };
    return { channel, liar, put };
  }

  function first(total: number, bytes = 100): Buffer {
    const payload = Buffer.alloc(8 + bytes, 1);
    payload.writeDoubleLE(total);
    return payload;
  }

  const { data, firstPiece, piece, abort } = RecordKind;
  const part = Buffer.alloc(100, 1);
  const lies: [string, ...[number, Buffer][]][] = [
    ['more without a first', [piece, part]],
    ['an abort of nothing', [abort, Buffer.alloc(0)]],
    ['two firsts', [firstPiece, first(1000)], [firstPiece, first(1000)]],
    ['a whole message in between', [firstPiece, first(1000)], [data, part]],
    ['more than was announced', [firstPiece, first(150)], [piece, part]],
    ['a first that is more than was announced', [firstPiece, first(99)]],
    ['a first of nothing', [firstPiece, first(100, 0)]],
    ['a first without a length', [firstPiece, Buffer.alloc(4)]],
    ['a kind that nobody knows', [6, part]],
    ...[0, -1, 1.5, NaN, Infinity, 2 ** 60, maxMessage + 1].map(
      (total): [string, [number, Buffer]] => [`a length of ${total}`, [firstPiece, first(total)]],
    ),
  ];
  for (const [lie, ...records] of lies) {
    it(`are ERR_CORRUPT for both sides: ${lie}`, async () => {
      const { channel, liar, put } = meet();
      put(data, part);
      for (const [kind, payload] of records) put(kind, payload);
      const { got, ending } = await heard(channel);
      expect(got).to.deep.equal([part]);
      expect(ending).to.equal('ERR_CORRUPT');
      expect(() => liar.output.roleHolder.checkPeer('write')).to.throw(/ERR_CORRUPT/);
      await liar.close();
    });
  }

  it('that were only announced cost nothing, and end with the liar', async () => {
    const { channel, liar, put } = meet();
    await collect();
    const before = process.memoryUsage().arrayBuffers;
    const hearing = heard(channel);
    put(firstPiece, first(maxMessage));
    while (!liar.output.hasRoom(capacity / 2 - 8)) await sleep(1); // until it was taken out
    expect(process.memoryUsage().arrayBuffers - before).to.be.below(50_000);
    await liar.close();
    expect(await hearing).to.deep.equal({ got: [], ending: 'ERR_PEER_CLOSED' });
  });

  it('do not come where a message was given up', async () => {
    const { channel, liar, put } = meet();
    for (let i = 0; i < 3; i++) {
      put(firstPiece, first(1000));
      put(piece, part);
      put(abort, Buffer.alloc(0));
    }
    put(data, part);
    const hearing = heard(channel);
    await liar.close();
    expect(await hearing).to.deep.equal({ got: [part], ending: 'end' });
  });

  it('are corrupt in a ring that is no channel', () => {
    for (const kind of [firstPiece, piece, abort]) {
      const ring = Ring.create({ capacity });
      const producer = ring.producer();
      producer.tryReserveRange(100);
      producer.commitPiece(100, kind);
      expect(thrown(() => ring.consumer().tryRead()).code).to.equal('ERR_CORRUPT');
      ring.close();
    }
  });

  it('of 32 MiB hold at most twice what has arrived', async () => {
    const channel = Channel.create<Uint8Array>({ codec: 'bytes' });
    const other = Channel.open<Uint8Array>(channel.handle, { codec: 'bytes' });
    const value = Buffer.alloc(32 * MiB);
    await collect();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const arrived = once(other, 'message');
    channel.send(value);
    for (let isThere = false; !isThere;) {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      await Promise.race([arrived.then(() => (isThere = true)), sleep(1)]);
    }
    // Besides the copy at the sender.
    expect(most - value.length).to.be.within(value.length, 2 * value.length + MiB);
    await Promise.all([channel.close(), other.close()]);
  });
});
