import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { rejected } from '../../support/errors.js';
import { Buses, until } from './support.js';

describe('A bus that is being left', function () {
  this.timeout(60_000);

  const buses = new Buses('leaving');

  afterEach(() => buses.close());

  it('names in `peers` only those that can be sent to', async () => {
    for (let round = 0; round < 5; round++) {
      const [bus, other] = await buses.meet(['here', `other ${round}`]);
      const { id } = other!;
      let left = false;
      bus!.once('leave', () => (left = true));
      bus!.send(id, 1);
      void other!.close();
      while (!left) {
        for (const peer of bus!.peers) {
          try {
            bus!.send(peer, 2);
          } catch (error) {
            // Its link may have ended, which is seen before its presence has.
            expect((error as NodeJS.ErrnoException).code).to.equal('ERR_PEER_CLOSED');
          }
        }
        expect(bus!.stats().peers.map(peer => peer.id)).to.deep.equal([...bus!.peers]);
        await nextTurn();
      }
      await bus!.close();
    }
  });

  it('hands out nothing from `close` on: a listener that answers would fail', async () => {
    const [bus, other] = await buses.meet(['here', 'other'], { capacity: 65536 });
    let closed = false;
    const late: string[] = [];
    let got = 0;
    let asked = 0;
    const closing = new Promise<void>(resolve => {
      bus!.on('message', () => {
        if (closed) late.push('message');
        if (++got < 5) return;
        closed = true;
        resolve(bus!.close());
      });
    });
    for (const event of ['join', 'leave', 'drain', 'route'] as const) {
      bus!.on(event, () => closed && late.push(event));
    }
    bus!.onRequest(value => {
      if (closed) late.push('request');
      asked++;
      return value;
    });
    expect(await other!.request('here', 1)).to.equal(1);
    while (bus!.send('other', 'x'.repeat(1000))); // so that `drain` is due
    for (let i = 0; i < 20; i++) other!.send('here', i);
    const answer = rejected(other!.request('here', 2));
    other!.on('message', () => {});
    await closing;
    expect((await answer).code).to.equal('ERR_PEER_CLOSED');
    await nextTurn();
    expect([got, asked, late]).to.deep.equal([5, 1, []]);
  });

  it('hands out nothing that waited for a listener, after `close`', async () => {
    const [bus, other] = await buses.meet(['here', 'other']);
    for (let i = 0; i < 10; i++) other!.send('here', i);
    await until(() => bus!.stats().heldMessages === 10);
    const got: unknown[] = [];
    bus!.on('message', value => {
      got.push(value);
      if (got.length === 3) void bus!.close();
    });
    await once(bus!, 'close');
    expect(got).to.deep.equal([0, 1, 2]);
    bus!.on('message', value => got.push(value));
    for (let i = 0; i < 5; i++) await nextTurn();
    expect(got).to.deep.equal([0, 1, 2]);
  });
});
