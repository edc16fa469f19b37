import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { type BusOptions, ShmError } from '../../../src/index.js';
import { MessageRings } from '../../../src/transport/channel/message-rings.js';
import { rejected, thrown } from '../../support/errors.js';
import { message, sibling, start } from '../../support/processes.js';
import { digest, make } from '../channel/any-size-values.js';
import type { BusOrders } from './bus-peer.js';
import { Buses, until } from './support.js';

const script = sibling(import.meta.url, './bus-peer.js');
const MiB = 2 ** 20;

describe('Messages of any size over a bus', function () {
  this.timeout(60_000);
  let buses: Buses;
  beforeEach(() => (buses = new Buses('any size')));
  afterEach(() => buses.close());

  const options: BusOptions<unknown> = { capacity: 65_536 };

  async function withProcess() {
    const bus = await buses.join('here', options);
    const orders: BusOrders = { ...options, name: buses.name, id: 'there' };
    const child = start(script, [JSON.stringify(orders)]);
    expect(await message(child)).to.equal('joined');
    await until(() => bus.peers.size === 1);
    return { bus, child };
  }

  it('go as requests, and come as answers, with a process', async () => {
    const { bus } = await withProcess();
    const values = [
      make({ kind: 'bytes', bytes: 3 * MiB }),
      make({ kind: 'list', bytes: 500_000 }),
      'small',
      make({ kind: 'wide', bytes: MiB }),
    ];
    // At once: those that find the link full wait as a copy.
    const answers = values.map(value => bus.request('there', { does: 'echo', value }));
    const digests = values.map(digest);
    (values[0] as Buffer).fill(0);
    expect((await Promise.all(answers)).map(digest)).to.deep.equal(digests);
  });

  it('are sent before there is a link, in order with small ones, both ways', async () => {
    const [one, other] = await buses.meet(['one', 'other'], options);
    const got: Record<string, string[]> = { one: [], other: [] };
    one!.on('message', value => got.one!.push(digest(value)));
    other!.on('message', value => got.other!.push(digest(value)));
    const values = [
      make({ kind: 'list', bytes: 300_000 }),
      1,
      make({ kind: 'bytes', bytes: MiB }),
      2,
    ];
    const all = async (from: typeof one, to: string) => {
      for (const value of values) while (!from!.send(to, value)) await from!.ready(to);
    };
    expect(one!.send('other', values[0])).to.equal(true);
    expect(one!.send('other', 'no room')).to.equal(false);
    await Promise.all([one!.ready('other').then(() => all(one, 'other')), all(other, 'one')]);
    await until(() => got.one!.length === 4 && got.other!.length === 5);
    expect(got.one).to.deep.equal(values.map(digest));
    expect(got.other).to.deep.equal([values[0], ...values].map(digest));
  });

  it('go over the socket where what was begun in memory is taken back', async () => {
    const [one, other] = await buses.meet(['one', 'other'], options);
    const own = Object.getOwnPropertyDescriptor(MessageRings, 'open')!;
    MessageRings.open = () => {
      throw new ShmError('ENOMEM', 'no memory, for a test', 'region.open');
    };
    try {
      const got: string[] = [];
      other!.on('message', value => got.push(digest(value)));
      const values = ['first', make({ kind: 'list', bytes: MiB }), 'last'];
      // The second one is half in the ring when that turns out to be of no use.
      for (const value of values) while (!one!.send('other', value)) await one!.ready('other');
      await until(() => got.length === 3);
      expect(got).to.deep.equal(values.map(digest));
      expect(one!.route('other')).to.equal('socket');
    } finally {
      Object.defineProperty(MessageRings, 'open', own);
    }
  });

  it('are broadcast, and beyond maxMessage refused', async () => {
    const [one, ...others] = await buses.meet(['a', 'b', 'c'], { ...options, maxMessage: MiB });
    const value = make({ kind: 'string', bytes: 900_000 });
    const got = others.map(bus => once(bus, 'message'));
    expect(one!.broadcast(value)).to.deep.equal([]);
    for (const [received] of await Promise.all(got))
      expect(digest(received)).to.equal(digest(value));
    const large = Buffer.alloc(MiB + 1);
    expect(thrown(() => one!.send('b', large)).code).to.equal('ERR_TOO_LARGE');
    expect((await rejected(one!.request('b', large))).code).to.equal('ERR_TOO_LARGE');
    others[0]!.onRequest(() => large);
    expect((await rejected(one!.request('b', 1))).code).to.equal('ERR_TOO_LARGE');
  });

  it('wait with those that nobody listens for, and close sends the rest', async () => {
    const [one, other] = await buses.meet(['one', 'other'], options);
    const values = [1, 2, 3, 4].map(seed => make({ kind: 'bytes', bytes: 300_000, seed }));
    const sending = (async () => {
      for (const value of values) while (!one!.send('other', value)) await one!.ready('other');
    })();
    await until(() => other!.stats().heldMessages === 1);
    await sleep(20);
    // It holds one, which is more than the capacity, and the one that was under way.
    expect(other!.stats().heldMessages).to.be.within(1, 2);
    const got: string[] = [];
    other!.on('message', value => got.push(digest(value)));
    await sending;
    await one!.close();
    await until(() => got.length === 4);
    expect(got).to.deep.equal(values.map(digest));
  });

  it('of a peer that is killed in the middle are dropped whole', async () => {
    const { bus, child } = await withProcess();
    const got: unknown[] = [];
    bus.on('message', value => got.push(value));
    void bus.request('there', { does: 'echo', value: Buffer.alloc(8 * MiB) }).catch(() => {});
    const left = once(bus, 'leave');
    process.kill(child.pid!, 'SIGSTOP');
    await sleep(20);
    child.kill('SIGKILL');
    expect(await left).to.deep.equal(['there', 'died']);
    expect(got).to.deep.equal([]);
  });
});
