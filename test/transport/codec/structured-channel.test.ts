import { expect } from 'chai';
import { Channel } from '../../../src/index.js';
import { thrown } from '../../support/errors.js';
import { order } from './plain-pair.js';

describe('structured values over a channel', () => {
  function channels(capacity = 4096): [Channel, Channel, () => void] {
    const one = Channel.create({ capacity, maxMessage: 4000 });
    const other = Channel.open(one.handle);
    return [one, other, () => void Promise.all([one.close(), other.close()])];
  }

  it('arrive after a value of their shape found no room, or was too large', () => {
    const [one, other, close] = channels();
    while (one.send('x'.repeat(300)));
    expect(one.send(order(1))).to.equal(false);
    expect(one.sendSync(order(1), 1)).to.equal(false);
    while (other.receiveSync(0) !== undefined);
    const large = { fresh: 'x'.repeat(5000) };
    expect(thrown(() => one.send(large)).code).to.equal('ERR_TOO_LARGE');
    expect(() => one.send({ other: 1, bad: () => 1 })).to.throw(/could not be cloned/);
    for (const value of [order(1), { fresh: 'x' }, { other: 1, bad: 2 }]) {
      expect(one.send(value)).to.equal(true);
      expect(other.receiveSync()).to.deep.equal(value);
    }
    close();
  });

  it('arrive also where an accessor of one sends others', () => {
    const [one, other, close] = channels();
    const received: unknown[] = [];
    const read = () => {
      for (let value; (value = other.receiveSync(0)) !== undefined;) received.push(value);
    };
    const nosy = {
      a: { fresh: 1 }, // its shape is not defined yet when the inner value is sent
      get b() {
        // With the ring full, the outer value is encoded outside of it, so this one goes in.
        read();
        return one.send({ inner: [order(1)] });
      },
    };
    let fillers = 0;
    while (one.send('x'.repeat(300))) fillers++;
    expect(one.send(nosy)).to.equal(true);
    expect(one.send(nosy), 'while its room is reserved').to.equal(true);
    expect(one.send({ inner: [order(2)] })).to.equal(true);
    read();
    expect(received.slice(fillers)).to.deep.equal([
      { inner: [order(1)] },
      { a: { fresh: 1 }, b: true },
      { inner: [order(1)] },
      { a: { fresh: 1 }, b: true },
      { inner: [order(2)] },
    ]);
    close();
  });

  it('are told apart by channel, and shared by all ways to read', async () => {
    const [one, other, close] = channels();
    const [third, fourth, closeOthers] = channels();
    for (let i = 0; i < 3; i++) {
      for (const sender of [one, third]) sender.send(order(i));
      expect(fourth.receiveSync()).to.deep.equal(order(i));
    }
    expect(other.receiveSync()).to.deep.equal(order(0));
    const iterator = other[Symbol.asyncIterator]();
    expect((await iterator.next()).value).to.deep.equal(order(1));
    expect((await iterator.next()).value).to.deep.equal(order(2));
    other.send(order(9)); // each direction has its own shapes
    expect(one.receiveSync()).to.deep.equal(order(9));
    close();
    closeOthers();
  });

  it('come as ERR_CORRUPT where the peer wrote garbage', async () => {
    for (const nonsense of ['c1', 'c1ff', 'ff0f', 'ff00ff00ff', 'dd', 'dfffffffff', 'd940', '']) {
      const one = Channel.create<Uint8Array>({ codec: 'bytes' });
      const other = Channel.open(one.handle);
      one.send(Buffer.from(nonsense, 'hex'));
      one.send(Buffer.from(nonsense, 'hex'));
      expect(thrown(() => other.receiveSync()).code).to.equal('ERR_CORRUPT');
      const error = await new Promise<Error>(resolve => {
        other.on('error', resolve);
        other.on('message', () => {});
      });
      expect(error).to.include({ code: 'ERR_CORRUPT' });
      expect(other.closed).to.equal(true);
      await one.close();
    }
  });

  it('have no heir: an end of a channel is taken once', async () => {
    const [one, other] = channels();
    await other.close();
    expect(thrown(() => Channel.open(one.handle)).code).to.equal('ERR_ROLE_TAKEN');
    await one.close();
  });
});
