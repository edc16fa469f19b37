import { once } from 'node:events';
import { expect } from 'chai';
import { Bus, Channel, type Codec, dialChannel, listenChannel } from '../../../src/index.js';
import { thrown } from '../../support/errors.js';
import { socketPath } from '../../support/platform.js';

/** A value whose accessor does something, once: a lazy property, a logging one. */
function value(does: () => void, size = 10) {
  return {
    fresh: { key: 1 },
    get done() {
      does();
      return 'done';
    },
    tail: 't'.repeat(size),
  };
}

function readAll(channel: Channel): unknown[] {
  const all: unknown[] = [];
  for (let got; (got = channel.receiveSync(0)) !== undefined;) all.push(got);
  return all;
}

describe('a value that sends others while it is being sent', () => {
  let one: Channel;
  let other: Channel;
  beforeEach(() => {
    one = Channel.create({ capacity: 16 * 1024 });
    other = Channel.open(one.handle);
  });
  afterEach(() => Promise.all([one.close(), other.close()]));
  const plain = (size = 10) => ({ fresh: { key: 1 }, done: 'done', tail: 't'.repeat(size) });

  it('arrives after them, however deep they lie in each other', () => {
    const innermost = value(() => one.send('a'));
    const inner = value(() => one.send(innermost));
    for (let i = 0; i < 100; i++) {
      expect(one.send(value(() => one.send(inner)))).to.equal(true);
      expect(one.send({ after: i })).to.equal(true);
      expect(readAll(other)).to.deep.equal(['a', plain(), plain(), plain(), { after: i }]);
    }
  });

  it('arrives whole where either is larger than the room that was left', () => {
    for (const [inner, outer] of [
      [3000, 10],
      [10, 3000],
      [3000, 3000],
      [7000, 600],
    ] as const) {
      for (let i = 0; i < 20; i++) {
        expect(one.send(value(() => one.send('i'.repeat(inner)), outer))).to.equal(true);
        expect(readAll(other)).to.deep.equal(['i'.repeat(inner), plain(outer)]);
      }
    }
  });

  it('says false where there is no room for it, and its accessors have run once', () => {
    let runs = 0;
    const large = value(() => {
      runs++;
      while (one.send('x'.repeat(500)));
    }, 3000);
    expect(one.send(large)).to.equal(false);
    expect(runs).to.equal(1);
    const filled = readAll(other);
    expect(new Set(filled)).to.deep.equal(new Set(['x'.repeat(500)]));
    expect(one.send(plain())).to.equal(true);
    expect(readAll(other)).to.deep.equal([plain()]);
  });

  it('changes nothing where its accessor throws after sending', () => {
    const bad = value(() => {
      one.send('before');
      throw new RangeError('of the user');
    });
    expect(() => one.send(bad)).to.throw(RangeError, 'of the user');
    expect(one.send(plain())).to.equal(true);
    expect(readAll(other)).to.deep.equal(['before', plain()]);
  });

  it('is refused where its accessor closes the channel', async () => {
    const closing = value(() => void one.close());
    expect(thrown(() => one.send(closing)).code).to.equal('ERR_CLOSED');
    other.on('message', () => expect.fail('nothing was sent'));
    await once(other, 'end');
  });

  it('may use other channels, and block for answers', () => {
    const third = Channel.create();
    const fourth = Channel.open(third.handle);
    const asking = value(() => {
      third.send(value(() => one.send(plain(2))));
      fourth.send(fourth.receiveSync());
      expect(third.receiveSync()).to.deep.equal(plain());
    });
    expect(one.sendSync(asking)).to.equal(true);
    expect(readAll(other)).to.deep.equal([plain(2), plain()]);
    void third.close();
    void fourth.close();
  });

  it('may be what a codec of the user encodes', () => {
    const codec: Codec<string> = {
      encode(text) {
        if (text === 'outer') third.send('inner');
        return Buffer.from(text);
      },
      decode: bytes => Buffer.from(bytes).toString(),
    };
    const third = Channel.create({ codec });
    const fourth = Channel.open(third.handle, { codec });
    third.send('outer');
    expect([fourth.receiveSync(0), fourth.receiveSync(0)]).to.deep.equal(['inner', 'outer']);
    void third.close();
    void fourth.close();
  });

  it('arrives over a socket, and over a bus', async () => {
    const address = socketPath('reentrant.sock');
    const listener = await listenChannel(address);
    const [dialled, accepted] = await Promise.all([
      dialChannel(address, { sharedMemory: false }),
      once(listener, 'connection').then(([channel]) => channel as Channel),
    ]);
    const bus = await Bus.join('reentrant', { id: 'a' });
    const peer = await Bus.join('reentrant', { id: 'b' });
    await bus.ready('b');
    expect(dialled.transport).to.equal('socket');
    const ways: [
      (sent: unknown) => unknown,
      { on(event: 'message', f: (got: unknown) => void): unknown },
    ][] = [
      [sent => dialled.send(sent), accepted],
      [sent => bus.send('b', sent), peer],
    ];
    for (const [send, receiver] of ways) {
      const got: unknown[] = [];
      const came = new Promise<void>(resolve => {
        receiver.on('message', message => got.push(message) === 3 && resolve());
      });
      send(value(() => send(value(() => send('first')))));
      await came;
      expect(got).to.deep.equal(['first', plain(), plain()]);
    }
    await Promise.all([dialled.close(), listener.close(), bus.close(), peer.close()]);
  });
});
