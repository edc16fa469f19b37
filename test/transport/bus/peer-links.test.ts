import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import type { Envelope } from '../../../src/transport/bus/envelope.js';
import { type LinkMaker, PeerLinks } from '../../../src/transport/bus/peer-links.js';
import { Channel } from '../../../src/transport/channel/channel.js';
import type { MessageRings } from '../../../src/transport/channel/message-rings.js';
import type { Link } from '../../../src/transport/link/handshake.js';
import { until } from './support.js';

/** The links to one peer, whose side of each is in the test's hands. */
class Scene {
  readonly links: PeerLinks;
  readonly received: unknown[] = [];
  /** Ends the dial that is under way. */
  finish!: (link: Partial<Link<MessageRings>>) => void;
  takeBack!: () => void;
  readonly #channels: Channel<Envelope>[] = [];

  /** @param isEarly there is memory to write to while the peer has not answered */
  constructor(isPreferred: boolean, isEarly = true) {
    const rings = { own: () => {} } as unknown as MessageRings;
    const maker: LinkMaker = {
      earlyChannel: () => this.#channels[0]!,
      channel: link => link as unknown as Channel<Envelope>,
      dial: (_order, early) => {
        const shared = { ends: rings, region: undefined! };
        if (isEarly) early.rings(shared);
        this.takeBack = () => early.takeBack(shared, 'for a test');
        return new Promise(resolve => (this.finish = link => resolve(link as Link<MessageRings>)));
      },
    };
    this.links = new PeerLinks(isPreferred, maker, {
      isPresent: () => true,
      received: ({ value }) => this.received.push(value),
      roomCame: () => {},
      takenBack: () => {},
      failed: error => this.received.push(error),
      closed: () => {},
      dialled: () => {},
    });
  }

  /** A new link: this side's end, and the peer's. */
  pair(): [here: Channel<Envelope>, there: Channel<Envelope>] {
    const here = Channel.create<Envelope>({ capacity: 4096 });
    const there = Channel.open<Envelope>(here.handle);
    there.on('message', () => {}); // so that it notices the end
    this.#channels.push(here, there);
    return [here, there];
  }

  /** Dials, over a link that the peer has; it does not answer yet. */
  dial(): [here: Channel<Envelope>, there: Channel<Envelope>] {
    const both = this.pair();
    this.links.connect();
    return both;
  }

  async close(): Promise<void> {
    await Promise.all(this.#channels.map(channel => channel.close()));
  }
}

const message = (value: unknown): Envelope => ({ kind: 0, id: 0, value });

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await nextTurn();
}

describe('The links to one peer', () => {
  let scene: Scene;

  afterEach(() => scene.close());

  for (const isPreferred of [true, false]) {
    const side = isPreferred ? 'preferred' : 'other';

    it(`are read one after the other on the ${side} side where both have dialled`, async () => {
      scene = new Scene(isPreferred);
      const [, ownThere] = scene.dial();
      const [theirs, theirsThere] = scene.pair();
      scene.links.accept(theirs, { serial: 1, seen: 0 });
      ownThere.send(message(3));
      await turns();
      scene.links.setPaused(true);
      scene.links.setPaused(false);
      await turns();
      expect(scene.received).to.deep.equal([]);
      theirsThere.send(message(1));
      theirsThere.send(message(2));
      void theirsThere.close();
      await until(() => scene.received.length === 3);
      expect(scene.received).to.deep.equal([1, 2, 3]);
    });

    it(`are read so on the ${side} side though the own one turns out to go over its socket`, async () => {
      scene = new Scene(isPreferred);
      scene.dial();
      const [theirs, theirsThere] = scene.pair();
      scene.links.accept(theirs, { serial: 1, seen: 0 });
      await turns();
      const [socket, socketThere] = scene.pair();
      scene.takeBack();
      scene.finish(socket as unknown as Link<MessageRings>);
      if (!isPreferred) {
        // This side gives its own one up.
        await until(() => socket.closed);
        expect(scene.links.sending).to.equal(theirs);
        return;
      }
      socketThere.send(message(2));
      await turns();
      theirsThere.send(message(1));
      void theirsThere.close();
      await until(() => scene.received.length === 2);
      expect(scene.received).to.deep.equal([1, 2]);
    });

    it(`are used in the same order on the ${side} side where both have no memory`, async () => {
      scene = new Scene(isPreferred, false);
      const [own, ownThere] = scene.dial();
      expect(scene.links.sending).to.equal(undefined);
      const [theirs, theirsThere] = scene.pair();
      scene.links.accept(theirs, { serial: 1, seen: 0 });
      expect(scene.links.sending, 'the own one may come first').to.equal(undefined);
      scene.finish(own as unknown as Link<MessageRings>);
      await turns();
      expect(scene.links.sending).to.equal(isPreferred ? own : theirs);
      expect(own.closed).to.equal(!isPreferred);
      if (!isPreferred) return;
      ownThere.send(message(2));
      await turns();
      theirsThere.send(message(1));
      void theirsThere.close();
      await until(() => scene.received.length === 2);
      expect(scene.received).to.deep.equal([1, 2]);
    });

    it(`are replaced on the ${side} side by one that the peer has dialled knowing them`, async () => {
      scene = new Scene(isPreferred);
      const [own, ownThere] = scene.dial();
      scene.finish({ ends: { own: () => {} } as unknown as MessageRings });
      await turns();
      scene.links.setPaused(true);
      ownThere.send(message(1));
      void ownThere.close();
      const [theirs, theirsThere] = scene.pair();
      theirsThere.send(message(2));
      scene.links.accept(theirs, { serial: 1, seen: 1 });
      expect(scene.links.sending).to.equal(theirs);
      await turns();
      expect(own.closed, 'what it holds has not been read').to.equal(false);
      scene.links.setPaused(false);
      await until(() => scene.received.length === 2);
      expect(scene.received).to.deep.equal([1, 2]);
    });
  }

  it('come to one where both dialled: the other side ends its own, and not before it stands', async () => {
    scene = new Scene(false);
    const [own] = scene.dial();
    const [theirs] = scene.pair();
    scene.links.accept(theirs, { serial: 1, seen: 0 });
    await turns();
    expect([own.closed, scene.links.sending]).to.deep.equal([false, own]);
    scene.finish({ ends: { own: () => {} } as unknown as MessageRings });
    await until(() => own.closed);
    expect(scene.links.sending).to.equal(theirs);
    expect(theirs.closed).to.equal(false);
  });
});
