import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { Bus } from '../../../src/index.js';
import { envelopeCodec } from '../../../src/transport/bus/envelope.js';
import { PeerDirectory } from '../../../src/transport/bus/peer-directory.js';
import { channelKind, linkedChannel } from '../../../src/transport/channel/link-kind.js';
import { dialLink } from '../../../src/transport/link/dial-link.js';
import { catchingUncaught } from '../../support/uncaught.js';
import { Buses, count, Counted, refusing as codec, until } from './support.js';

const events = ['message', 'join', 'leave', 'drain', 'error'] as const;

describe('The listeners of a bus', function () {
  this.timeout(60_000);

  const buses = new Buses('listeners');
  const context = new AsyncLocalStorage<string>();

  afterEach(() => buses.close());

  /** Has each event happen to `bus` once at least, whose capacity is small. */
  async function provoke(bus: Bus, other: Bus): Promise<void> {
    const guest = await buses.join('guest', { codec });
    await until(() => bus.peers.has('guest'));
    guest.send(bus.id, 1);
    await guest.close();
    while (bus.send(other.id, 'x'.repeat(500)));
    await bus.ready(other.id);
    // What the other side sends over the broken link before it has noticed is lost.
    const noticed = once(other, 'error');
    other.send(bus.id, 'refused');
    await noticed;
  }

  it('run in the context in which the bus was joined', async () => {
    const options = { codec, capacity: 4096 };
    const bus = await context.run('joined', () => buses.join('here', options));
    const other = await context.run('other', () => buses.join('other', options));
    const seen = new Map<string, Set<unknown>>();
    for (const event of [...events, 'close'] as const) {
      seen.set(event, new Set());
      (bus as NodeJS.EventEmitter).on(event, () => seen.get(event)!.add(context.getStore()));
    }
    bus.onRequest(() => context.getStore());
    other.on('message', () => {}).on('error', () => {});
    await context.run('elsewhere', () => provoke(bus, other));
    await until(() => events.every(event => seen.get(event)!.size > 0));
    expect(await context.run('elsewhere', () => other.request('here', 1))).to.equal('joined');
    // What has waited until somebody listens.
    bus.removeAllListeners('message');
    other.send('here', 'held');
    await until(() => bus.stats().heldMessages === 1);
    const held = await context.run('elsewhere', async () => {
      const told = new Promise(resolve => bus.on('message', () => resolve(context.getStore())));
      return told;
    });
    expect(held).to.equal('joined');
    await context.run('elsewhere', () => bus.close());
    await until(() => seen.get('close')!.size > 0);
    for (const [event, stores] of seen) expect([...stores], event).to.deep.equal(['joined']);
  });

  it('may throw, each of them: the bus, its peers and other buses go on', async () => {
    const options = { codec, capacity: 4096 };
    const bus = await buses.join('here', options);
    const other = await buses.join('other', options);
    const [one, two] = await buses.meet(['one', 'two'], {}, `${buses.name} beside`);
    other.on('message', () => {}).on('error', () => {});
    two!.onRequest(value => value);
    const fault = new Error('a listener threw');
    const thrown = new Set<string>();
    for (const event of events) {
      (bus as NodeJS.EventEmitter).on(event, () => {
        thrown.add(event);
        throw fault;
      });
    }
    const caught = await catchingUncaught(async () => {
      await provoke(bus, other);
      await until(() => thrown.size === events.length);
      for (const event of events) bus.removeAllListeners(event);
      bus.on('error', () => {});
      const counted = new Counted(bus);
      counted.received.other = 0;
      await count(other, 'here', 300);
      await until(() => counted.received.other === 300);
      expect(counted.wrong).to.equal(undefined);
      bus.onRequest(value => value);
      expect(await other.request('here', 'well?')).to.equal('well?');
      expect(await one!.request('two', 'well?')).to.equal('well?');
    });
    expect([...new Set(caught)]).to.deep.equal([fault]);
  });

  it('may throw once out of what has waited: the rest waits for the next listener', async () => {
    const [bus, other] = await buses.meet(['here', 'other']);
    await count(other!, 'here', 10);
    await until(() => bus!.stats().heldMessages === 10);
    const caught = await catchingUncaught(async () => {
      bus!.once('message', () => {
        throw new Error('once');
      });
      await until(() => bus!.stats().heldMessages === 9);
      for (let i = 0; i < 10; i++) await nextTurn();
    });
    expect(caught).to.have.length(1);
    expect(bus!.stats().heldMessages).to.equal(9);
    const counted = new Counted(bus!);
    counted.received.other = 1;
    await until(() => counted.received.other === 10);
    expect(counted.wrong).to.equal(undefined);
  });

  it('of leave may throw: the one that comes next under that id is announced, with what it sent', async () => {
    const bus = await buses.join('here');
    const place = new PeerDirectory(buses.name, undefined);
    const address = place.address(place.others()[0]);
    const kind = channelKind({});
    const content = { ...kind, name: `bus, ${kind.name}` };
    async function dial(instance: string, purpose: string) {
      const greeting = { id: 'x', instance, capacity: 65536, purpose, serial: 1, seen: 0 };
      const link = await dialLink(address, content, { greeting, sharedMemory: purpose === 'link' });
      return linkedChannel(link, envelopeCodec(undefined)).on('error', () => {});
    }
    const [first, second] = [0, 1].map(() => randomBytes(6).toString('hex')) as [string, string];
    const told: unknown[] = [];
    bus.on('join', id => told.push(`join ${id}`));
    bus.on('message', value => told.push(value));
    bus.on('leave', () => {
      told.push('leave x');
      throw new Error('in leave');
    });
    const presence = await dial(first, 'presence');
    const next = await dial(second, 'presence');
    const link = await dial(second, 'link');
    link.send({ kind: 0, id: 0, value: 'from the next one' });
    const caught = await catchingUncaught(async () => {
      await presence.close();
      await until(() => told.length === 4);
    });
    expect(told).to.deep.equal(['join x', 'leave x', 'join x', 'from the next one']);
    expect(caught).to.have.length(1);
    bus.removeAllListeners('leave');
    const left = once(bus, 'leave');
    await Promise.all([next.close(), link.close()]);
    await left;
  });
});
