import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Channel } from '../../../src/index.js';
import { outcome, sibling, start, startProgram } from '../../support/processes.js';
import { catchingUncaught } from '../../support/uncaught.js';
import type { Orders } from './channel-ends-peer.js';

const script = sibling(import.meta.url, './channel-ends-peer.js');

function pair<T>(): [Channel<T>, Channel<T>] {
  const one = Channel.create<T>({ capacity: 4096 });
  return [one, Channel.open<T>(one.handle)];
}

describe('Listeners of a channel', () => {
  it('run in the context in which their channel was made, whichever channel waited first', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: string[] = [];
    const made = ['a', 'b', 'c'].map(name =>
      storage.run(name, () => {
        const [one, other] = pair<number>();
        for (const event of ['message', 'drain', 'end', 'close'] as const) {
          (other as NodeJS.EventEmitter).on(event, () =>
            seen.push(`${name} ${event} in ${storage.getStore()}`),
          );
        }
        return { one, other };
      }),
    );
    // All of them listen in the context of nobody, and the last one waits first.
    for (const { one, other } of made.reverse()) {
      while (other.send(1));
      one.send(1);
      await new Promise(setImmediate);
    }
    for (const { one } of made) {
      one.on('message', () => {});
      await new Promise(setImmediate);
    }
    await Promise.all(
      made.map(async ({ one, other }) => {
        if (other.listenerCount('drain') > 0) await other.ready();
        await new Promise(setImmediate);
        const closed = once(other, 'close');
        await one.close();
        await closed;
      }),
    );
    const expected = ['a', 'b', 'c'].flatMap(name =>
      ['message', 'drain', 'end', 'close'].map(event => `${name} ${event} in ${name}`),
    );
    expect([...new Set(seen)]).to.have.members(expected);
  });

  it('lose no message that comes while there are none', async () => {
    const [one, other] = pair<number>();
    for (let i = 0; i < 5; i++) one.send(i);
    for (let i = 0; i < 5; i++) expect(await once(other, 'message')).to.deep.equal([i]);
    one.send(5);
    await new Promise(setImmediate);
    const got: number[] = [];
    const rest = new Promise<void>(resolve => {
      other.on('message', value => {
        got.push(value);
        other.removeAllListeners();
        if (value === 7) resolve();
        else setImmediate(() => other.on('message', again));
      });
      const again = other.listeners('message')[0] as (value: number) => void;
    });
    one.send(6);
    one.send(7);
    await rest;
    expect(got).to.deep.equal([5, 6, 7]);
    await one.close();
    await other.close();
  });

  it('are the only ones: none of ours is counted or removed', async () => {
    const [one, other] = pair<number>();
    expect(other.eventNames()).to.deep.equal([]);
    other.removeAllListeners();
    const first = once(other, 'message');
    one.send(1);
    expect(await first).to.deep.equal([1]);
    expect(other.eventNames()).to.deep.equal([]);
    await one.close();
    await other.close();
  });

  it('may throw for every event, and the next events come all the same', async () => {
    const [one, other] = pair<number>();
    const seen: string[] = [];
    const caught = await catchingUncaught(async () => {
      for (const event of ['message', 'drain', 'end', 'close'] as const) {
        (other as NodeJS.EventEmitter).on(event, () => {
          seen.push(event);
          throw new Error(event);
        });
      }
      while (other.send(1));
      const drained = other.ready();
      one.send(1);
      one.send(2);
      one.on('message', () => {});
      await drained;
      while (seen.length < 3) await new Promise(setImmediate);
      void one.close();
      while (!seen.includes('close')) await new Promise(setImmediate);
    });
    expect(seen).to.have.members(['message', 'message', 'drain', 'end', 'close']);
    expect(seen.slice(-2)).to.deep.equal(['end', 'close']);
    expect(caught.map(error => (error as Error).message)).to.deep.equal(seen);
  });

  it('have their microtasks and ticks run before `end`', async () => {
    for (let i = 0; i < 20; i++) {
      const [one, other] = pair<string>();
      const order: string[] = [];
      other.on('message', () => {
        void Promise.resolve().then(() => process.nextTick(() => order.push('done')));
      });
      other.on('end', () => order.push('end'));
      one.send('last');
      await one.close();
      await once(other, 'close');
      expect(order).to.deep.equal(['done', 'end']);
    }
  });
});

describe('A channel whose peer', () => {
  const cases: [ends: Orders['ends'], events: string[]][] = [
    ['naturally', ['last words', 'end', 'close']],
    ['code 0', ['last words', 'end', 'close']],
    ['code 3', ['last words', 'ERR_PEER_DIED', 'close']],
    ['throw', ['last words', 'ERR_PEER_DIED', 'close']],
    ['kill', ['last words', 'ERR_PEER_DIED', 'close']],
  ];
  for (const [ends, events] of cases) {
    for (const kind of ['process', 'thread'] as const) {
      if (kind === 'thread' && ends === 'kill') continue;
      it(`ends by "${ends}", as a ${kind}: ${events.join(', ')}`, async () => {
        const channel = Channel.create<string>();
        const orders: Orders = { channel: channel.handle, ends };
        let peer: NodeJS.EventEmitter;
        if (kind === 'process') {
          const child = start(script, [], { silent: true });
          child.send(orders);
          peer = child;
        } else {
          peer = new Worker(script, { workerData: orders, stderr: true }).on('error', () => {});
        }
        const gone = new Promise(resolve => peer.once('exit', resolve));
        const seen: string[] = [];
        channel.on('message', value => seen.push(value));
        channel.on('end', () => seen.push('end'));
        channel.on('error', error => seen.push((error as NodeJS.ErrnoException).code!));
        await new Promise<void>(resolve => channel.once('close', resolve));
        await gone;
        expect([...seen, 'close']).to.deep.equal(events);
      });
    }
  }

  it('has not read for long: an iterator that is given up does not wait for a message', async () => {
    const [one, other] = pair<number>();
    const iterator = other[Symbol.asyncIterator]();
    const waiting = iterator.next();
    expect(await iterator.return!()).to.deep.equal({ done: true, value: undefined });
    expect(await waiting).to.deep.equal({ done: true, value: undefined });
    one.send(1);
    for await (const value of other) {
      expect(value).to.equal(1);
      break;
    }
    await one.close();
    await other.close();
  });

  it('cannot be waited for, for lack of file descriptors: reported once, and it goes on', async () => {
    const limited = `ulimit -n 256; exec "${process.execPath}" "${script}" descriptors`;
    const { code, stdout, stderr } = await outcome(startProgram('bash', ['-c', limited]));
    expect(stderr).to.equal('');
    expect(code).to.equal(0);
    const { errors, got } = JSON.parse(stdout) as { errors: string[]; got: number[] };
    expect(errors).to.have.lengthOf.within(1, 2);
    expect([...new Set(errors)]).to.deep.equal(['EMFILE']);
    expect(got).to.deep.equal(Array.from({ length: 20 }, (_, i) => i));
  });
});
