import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Bus } from '../../../src/index.js';
import { type Envelope, envelopeCodec, EnvelopeKind } from '../../../src/transport/bus/envelope.js';
import { MessageHold } from '../../../src/transport/bus/message-hold.js';
import { PeerDirectory } from '../../../src/transport/bus/peer-directory.js';
import type { Channel } from '../../../src/transport/channel/channel.js';
import { channelKind, linkedChannel } from '../../../src/transport/channel/link-kind.js';
import { dialLink } from '../../../src/transport/link/dial-link.js';
import { random } from '../../support/traffic.js';
import { Buses, count, Counted, until } from './support.js';

const capacity = 4096;

/** Sends numbers until nothing more goes in, however long it is tried. @returns how many went in */
async function fill(bus: Bus, to: string, start = 0): Promise<number> {
  let number = start;
  for (let idle = 0; idle < 10; idle++) {
    while (bus.send(to, { number, filling: 'x'.repeat(200) })) {
      number++;
      idle = 0;
    }
    await sleep(5);
  }
  return number;
}

describe('A bus on which nobody listens for messages', function () {
  this.timeout(60_000);

  const buses = new Buses('hold');

  afterEach(() => buses.close());

  it('gets answers to its requests, and answers, whatever others send it', async () => {
    const [deaf, ...others] = await buses.meet(['deaf', 'a', 'b', 'c'], { capacity });
    for (const bus of [deaf!, ...others]) bus.onRequest(value => value);
    const sent: Record<string, number> = {};
    for (const bus of others) sent[bus.id] = await fill(bus, 'deaf');
    const held = deaf!.stats().heldMessages;
    expect(held).to.be.within(10, (4 * 2 * capacity) / 200);
    for (let i = 0; i < 50; i++) {
      const asked = others.flatMap(bus => [
        deaf!.request(bus.id, 'x'.repeat(500), { timeout: 20_000 }),
        bus.request('deaf', 'y'.repeat(500), { timeout: 20_000 }),
      ]);
      await Promise.all(asked);
      for (const bus of others) expect(bus.send('deaf', 'refused')).to.equal(false);
    }
    expect(deaf!.stats().heldMessages).to.equal(held);
    const drained = Promise.all(others.map(bus => once(bus, 'drain')));
    const counted = new Counted(deaf!);
    await drained;
    await until(() => others.every(({ id }) => (counted.received[id] ?? 0) === sent[id]));
    expect(counted.wrong).to.equal(undefined);
  });

  it('gets answers where its peer has no more room behind messages', async () => {
    const [deaf, other] = await buses.meet(['deaf', 'other'], { capacity });
    // The answer finds the ring full, of messages sent within one turn.
    other!.onRequest(value => {
      while (other!.send('deaf', 'x'.repeat(300)));
      return value;
    });
    for (let i = 0; i < 20; i++) {
      expect(await deaf!.request('other', i, { timeout: 20_000 })).to.equal(i);
    }
  });

  it('holds back what one that joins later would send', async () => {
    const [deaf, first] = await buses.meet(['deaf', 'first'], { capacity });
    await fill(first!, 'deaf');
    const later = await buses.join('later', { capacity });
    later.onRequest(value => value);
    await until(() => deaf!.peers.has('later') && later.peers.has('deaf'));
    await fill(later, 'deaf');
    expect(await deaf!.request('later', 1, { timeout: 20_000 })).to.equal(1);
  });

  it('and both sides of a pair may be it at once', async () => {
    const pair = await buses.meet(['a', 'b'], { capacity });
    const [a, b] = pair as [Bus, Bus];
    for (const bus of pair) bus.onRequest(value => value);
    const [fromA, fromB] = await Promise.all([fill(a, 'b'), fill(b, 'a')]);
    const asked = [a.request('b', 1), b.request('a', 2)];
    expect(await Promise.all(asked)).to.deep.equal([1, 2]);
    const counted = pair.map(bus => new Counted(bus));
    await until(() => counted[1]!.received.a === fromA && counted[0]!.received.b === fromB);
    expect(counted.map(({ wrong }) => wrong)).to.deep.equal([undefined, undefined]);
  });

  it('is not filled by a peer that agrees to send no messages, and sends them', async () => {
    const bus = await buses.join('here', { capacity, maxMessage: 10_000 });
    const place = new PeerDirectory(buses.name, undefined);
    const address = place.address(place.others()[0]);
    const kind = channelKind({});
    const content = { ...kind, name: `bus, ${kind.name}` };
    const greeting = { id: 'liar', instance: place.instance, capacity, serial: 1, seen: 0 };
    async function dial(purpose: string) {
      const options = { greeting: { ...greeting, purpose }, sharedMemory: purpose === 'link' };
      const link = await dialLink(address, content, options);
      return linkedChannel(link, envelopeCodec(undefined)).on('error', () => {});
    }
    const presence = await dial('presence');
    const { hold, holding, message } = EnvelopeKind;
    let asked = 0;
    presence.on('message', ({ kind: word, id }) => {
      if (word !== hold) return;
      asked++;
      presence.send({ kind: holding, id, value: undefined });
    });
    const link = await dial('link');
    const value = 'x'.repeat(500);
    for (let idle = 0; idle < 20; idle++) {
      while (link.send({ kind: message, id: 0, value })) idle = 0;
      await sleep(5);
    }
    expect(asked).to.equal(1);
    // Its own bound, what an honest peer may have under way, and not much more.
    const most = capacity + 4 * capacity + 10_008;
    expect(bus.stats().heldMessages * 500).to.be.within(2 * capacity, most + 1000);
    const left = once(bus, 'leave');
    await Promise.all([presence.close(), link.close()]);
    await left;
  });

  it('loses and reorders nothing where listeners come and go', async () => {
    const [bus, ...others] = await buses.meet(['here', 'a', 'b'], { capacity });
    const next = random(7);
    const total = 3000;
    const counted = new Counted(bus!);
    bus!.off('message', counted.take);
    let isOver = false;
    const changing = (async () => {
      while (!isOver) {
        bus!.on('message', counted.take);
        await sleep(next(4));
        bus!.off('message', counted.take);
        await sleep(next(15));
      }
      bus!.on('message', counted.take);
    })();
    await Promise.all(others.map(other => count(other, 'here', total, 'x'.repeat(100))));
    isOver = true;
    await changing;
    await until(() => others.every(({ id }) => counted.received[id] === total));
    expect(counted.wrong).to.equal(undefined);
  });
});

describe('What two peers agree on about messages', () => {
  /** One side, and the presences that it says something over. */
  function side() {
    const a = { isFull: false, said: [] as Envelope[] };
    const b = { isFull: false, said: [] as Envelope[] };
    const events: string[] = [];
    const presence = (of: typeof a) =>
      ({ send: (envelope: Envelope) => !of.isFull && of.said.push(envelope) > 0 }) as never;
    const presences = new Set<Channel<Envelope>>([presence(a), presence(b)]);
    const hold = new MessageHold(presences, 1000, {
      acknowledged: () => events.push('acknowledged'),
      released: () => events.push('released'),
    });
    return { a, b, presences, events, hold };
  }
  const { hold: holdKind, release, holding } = EnvelopeKind;
  const word = (kind: Envelope['kind'], id: number): Envelope => ({ kind, id, value: undefined });

  it('is the highest number, whichever presence it came over, and said once', () => {
    const { a, events, hold } = side();
    hold.received(word(holdKind, 3));
    hold.received(word(release, 2));
    expect(hold.isHeld).to.equal(true);
    expect(a.said).to.deep.equal([word(holding, 3)]);
    hold.received(word(release, 4));
    hold.received(word(holdKind, 3));
    expect([hold.isHeld, ...events]).to.deep.equal([false, 'released']);
  });

  it('is broken by one that sends on and on', () => {
    const { hold } = side();
    expect(hold.count(5000)).to.equal(false);
    for (let times = 0; times < 2; times++) {
      hold.hold(true);
      expect([hold.count(600), hold.count(400), hold.count(1)]).to.deep.equal([false, false, true]);
      hold.hold(false);
    }
  });

  it('is said once there is room, only the last word', () => {
    const { a, hold } = side();
    a.isFull = true;
    hold.hold(true);
    hold.received(word(holdKind, 1));
    hold.hold(false);
    hold.received(word(release, 2));
    hold.received(word(holdKind, 3));
    a.isFull = false;
    hold.flush();
    hold.flush();
    expect(a.said).to.deep.equal([word(release, 2), word(holding, 3)]);
  });

  it('is said again over the presence that is left, and answered again', () => {
    const { b, presences, events, hold } = side();
    hold.repeat();
    hold.hold(true);
    presences.delete([...presences][0]!);
    hold.repeat();
    expect(b.said).to.deep.equal([word(holdKind, 1)]);
    hold.received(word(holding, 1));
    hold.received(word(holdKind, 1));
    hold.received(word(holdKind, 1));
    expect(b.said.slice(1)).to.deep.equal([word(holding, 1), word(holding, 1)]);
    expect(events).to.deep.equal(['acknowledged']);
    hold.hold(false);
    hold.received(word(holding, 1)); // too late
    expect(events).to.deep.equal(['acknowledged']);
  });
});
