import { type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Bus, type BusOptions } from '../../../src/index.js';
import { rejected, thrown } from '../../support/errors.js';
import { message, outcome, sibling, start, startAlone } from '../../support/processes.js';
import { type BusOrders, receiveTraffic, sendTraffic, type Task } from './bus-peer.js';

const script = sibling(import.meta.url, './bus-peer.js');

describe('Bus', function () {
  this.timeout(60_000);

  const name = `test ${randomUUID()}`;
  let buses: Bus[] = [];
  let workers: Worker[] = [];

  /** A peer in this thread. */
  async function here(id: string, options: BusOptions<unknown> = {}): Promise<Bus> {
    const bus = await Bus.join(name, { id, ...options });
    buses.push(bus);
    return bus;
  }

  /** A peer elsewhere, which does what it is asked. */
  async function there(id: string, kind = 'process'): Promise<ChildProcess | Worker> {
    const orders: BusOrders = { name, id };
    if (kind === 'thread') {
      const worker = new Worker(script, { workerData: orders });
      workers.push(worker);
      expect(await message(worker)).to.equal('joined');
      return worker;
    }
    if (kind === 'stranger') {
      const child = startAlone(script, [JSON.stringify(orders)]);
      const [line] = (await once(child.stdout!, 'data')) as [Buffer];
      expect(String(line)).to.equal('joined\n');
      return child;
    }
    const child = start(script, [JSON.stringify(orders)]);
    expect(await message(child)).to.equal('joined');
    return child;
  }

  const ask = (bus: Bus, to: string, task: Task) => bus.request(to, task, { timeout: 30_000 });

  /** Until this bus has seen a peer come, or go. */
  async function sees(bus: Bus, ids: string[]): Promise<void> {
    const sorted = [...ids].sort().join();
    while ([...bus.peers].sort().join() !== sorted) {
      await Promise.race([once(bus, 'join'), once(bus, 'leave')]);
    }
  }

  afterEach(async () => {
    await Promise.all(buses.map(bus => bus.close()));
    await Promise.all(workers.map(worker => worker.terminate()));
    buses = [];
    workers = [];
  });

  it('brings together processes, threads and unrelated programs, and each sees all others', async () => {
    const bus = await here('a');
    const joined: string[] = [];
    bus.on('join', id => joined.push(id));
    await there('b');
    await there('c', 'thread');
    await there('d', 'stranger');
    await sees(bus, ['b', 'c', 'd']);
    expect(joined).to.deep.equal(['b', 'c', 'd']);
    for (const id of ['b', 'c', 'd']) {
      const others = ['a', 'b', 'c', 'd'].filter(other => other !== id);
      expect(await ask(bus, id, { does: 'peers' })).to.deep.equal(others);
    }
  });

  it('lets peers that come at one moment see each other', async () => {
    const ids = Array.from({ length: 8 }, (_, i) => `peer ${i}`);
    const all = await Promise.all(ids.map(id => here(id)));
    for (const bus of all) {
      await sees(
        bus,
        ids.filter(id => id !== bus.id),
      );
    }
  });

  for (const kind of ['process', 'thread']) {
    it(`carries messages both ways at once, in order, with a ${kind}`, async () => {
      const bus = await here('a');
      const count = receiveTraffic(bus);
      await there('b', kind);
      await sees(bus, ['b']);
      const total = 3000;
      // Neither has a link yet: both may make one.
      const [, told] = await Promise.all([
        sendTraffic(bus, 'b', total),
        ask(bus, 'b', { does: 'send', to: 'a', count: total }),
      ]);
      expect(told).to.equal(total);
      while (count('b') < total) await once(bus, 'message');
      while ((await ask(bus, 'b', { does: 'received', from: 'a' })) !== total) await delay(10);
    });
  }

  it('carries messages between two others, not through a third', async () => {
    const bus = await here('a');
    await there('b');
    await there('c', 'thread');
    await sees(bus, ['b', 'c']);
    await ask(bus, 'b', { does: 'send', to: 'c', count: 500 });
    while ((await ask(bus, 'c', { does: 'received', from: 'b' })) !== 500) await delay(10);
  });

  it('broadcasts to everyone', async () => {
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map(id => here(id)));
    await Promise.all([sees(a!, ['b', 'c']), sees(b!, ['a', 'c']), sees(c!, ['a', 'b'])]);
    const got = Promise.all([once(b!, 'message'), once(c!, 'message')]);
    expect(a!.broadcast(new Map([[1, new Date(0)]]))).to.deep.equal([]);
    const expected = [new Map([[1, new Date(0)]]), 'a'];
    expect(await got).to.deep.equal([expected, expected]);
  });

  it('answers requests, with values and with errors', async () => {
    const bus = await here('a');
    await there('b');
    const value = { big: 12n, list: [1, undefined, new Set(['x'])] };
    expect(await ask(bus, 'b', { does: 'echo', value })).to.deep.equal(value);
    const error = await rejected(ask(bus, 'b', { does: 'fail' }));
    expect([error.name, error.message, error.code]).to.deep.equal([
      'RangeError',
      'no such thing',
      'E_THING',
    ]);
    const echo: Task = { does: 'echo', value: 1 };
    expect((await rejected(bus.request('nobody', echo))).code).to.equal('ERR_UNKNOWN_PEER');
    expect((await rejected(bus.request('b', () => {}))).message).to.match(/could not be cloned/);
    const silent = await here('c');
    await sees(bus, ['b', 'c']);
    silent.on('message', () => {});
    expect((await rejected(bus.request('c', echo))).code).to.equal('ERR_NO_HANDLER');
    silent.onRequest(() => () => {});
    expect((await rejected(bus.request('c', echo))).message).to.match(/could not be cloned/);
  });

  it('gives a request up when its time is over, or its signal says so', async () => {
    const bus = await here('a');
    await there('b');
    const hang: Task = { does: 'hang' };
    const late = await rejected(bus.request('b', hang, { timeout: 20 }));
    expect(late.code).to.equal('ETIMEDOUT');
    expect(late.message).to.match(/20 ms.*'b'/);
    const controller = new AbortController();
    const asked = bus.request('b', hang, { signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    expect((await rejected(asked)).message).to.equal('changed my mind');
    expect(
      (await rejected(bus.request('b', hang, { signal: controller.signal }))).message,
    ).to.equal('changed my mind');
    expect((await rejected(bus.request('b', hang, { timeout: -1 }))).code).to.equal(
      'ERR_OUT_OF_RANGE',
    );
    expect(await ask(bus, 'b', { does: 'echo', value: 1 })).to.equal(1);
  });

  it('rejects what was asked of a peer that leaves or dies', async () => {
    const bus = await here('a');
    await there('b');
    await there('c');
    await sees(bus, ['b', 'c']);
    const hang: Task = { does: 'hang' };
    const asked = [rejected(bus.request('b', hang)), rejected(bus.request('c', hang))];
    await ask(bus, 'c', { does: 'leave' });
    expect((await rejected(ask(bus, 'b', { does: 'die' }))).code).to.equal('ERR_PEER_DIED');
    expect((await Promise.all(asked)).map(error => error.code)).to.deep.equal([
      'ERR_PEER_DIED',
      'ERR_PEER_CLOSED',
    ]);
    await sees(bus, []);
  });

  it('tells of a killed peer at once, after what it had sent, and leaves nothing of it', async () => {
    const bus = await here('a');
    const count = receiveTraffic(bus);
    await there('b');
    await ask(bus, 'b', { does: 'send', to: 'a', count: 200 });
    const left = once(bus, 'leave') as Promise<[string, string]>;
    void bus.request('b', { does: 'die' }).catch(() => {});
    expect(await left).to.deep.equal(['b', 'died']);
    expect(count('b')).to.equal(200);
    expect(thrown(() => bus.send('b', 1)).code).to.equal('ERR_UNKNOWN_PEER');
    const files = () =>
      readdirSync(process.env.MMAP_TRANSPORT_DIR!).filter(file => file.startsWith('bus-'));
    while (files().length > 2) await delay(10); // this peer's own
  });

  it('gives a successor the id, and none of the messages', async () => {
    const bus = await here('a');
    const child = await there('b');
    await sees(bus, ['b']);
    (child as ChildProcess).kill('SIGSTOP');
    for (let i = 0; i < 50; i++) bus.send('b', Buffer.from('for the one before'));
    const left = once(bus, 'leave');
    (child as ChildProcess).kill('SIGKILL');
    await left;
    await there('b');
    await sees(bus, ['b']);
    expect(await ask(bus, 'b', { does: 'received', from: 'a' })).to.equal(0);
  });

  it('refuses an id that a live peer has', async () => {
    await here('a');
    const error = await rejected(Bus.join(name, { id: 'a' }));
    expect(error.code).to.equal('ERR_ID_TAKEN');
    expect(error.address).to.equal('a');
  });

  it('says false to a peer that is behind, before and after there is a link', async () => {
    const a = await here('a', { capacity: 16384 });
    const b = await here('b', { capacity: 65536 });
    await sees(a, ['b']);
    const payload = Buffer.alloc(1000);
    let accepted = 0;
    while (a.send('b', payload)) expect(++accepted).to.be.below(17);
    expect(accepted).to.be.above(10);
    expect(a.broadcast(payload)).to.deep.equal(['b']);
    for (const step of ['before the link', 'over the link']) {
      const drained = once(a, 'drain');
      let received = 0;
      const count = () => received++;
      b.on('message', count);
      expect(await drained, step).to.deep.equal(['b']);
      while (received < accepted) await delay(1);
      b.off('message', count);
      accepted = 0;
      await a.ready('b');
      // In one turn of the loop, in which b cannot read.
      while (a.send('b', payload)) expect(++accepted).to.be.below(17);
      expect(accepted, step).to.be.above(10);
    }
  });

  it('delivers what was accepted before close, though there was no link yet', async () => {
    const a = await here('a');
    const b = await here('b');
    await sees(a, ['b']);
    const got: unknown[] = [];
    b.on('message', value => got.push(value));
    const value = { count: 1 };
    a.send('b', value);
    value.count = 2; // it was sent as it was
    a.send('b', value);
    const left = once(b, 'leave');
    await a.close();
    expect(await left).to.deep.equal(['a', 'closed']);
    expect(got).to.deep.equal([{ count: 1 }, { count: 2 }]);
    expect(thrown(() => a.send('b', 1)).code).to.equal('ERR_CLOSED');
    expect(thrown(() => a.broadcast(1)).code).to.equal('ERR_CLOSED');
    expect((await rejected(a.request('b', 1))).code).to.equal('ERR_CLOSED');
  });

  it('refuses what it cannot carry, and changes nothing', async () => {
    const a = await here('a', { capacity: 4096, maxMessage: 2000 });
    const b = await here('b');
    await sees(a, ['b']);
    b.on('message', () => {});
    for (const step of ['before the link', 'over the link']) {
      const error = thrown(() => a.send('b', Buffer.alloc(3000)));
      expect(error.code, step).to.equal('ERR_TOO_LARGE');
      expect(() => a.send('b', Symbol('none')), step).to.throw(/could not be cloned/);
      const got = once(b, 'message');
      a.send('b', step);
      expect((await got)[0]).to.equal(step);
    }
    expect(thrown(() => a.send('c', 1)).code).to.equal('ERR_UNKNOWN_PEER');
    expect((await rejected(Bus.join(''))).code).to.equal('ERR_INVALID_ARG');
    expect((await rejected(Bus.join('x', { id: '' }))).code).to.equal('ERR_INVALID_ARG');
    expect((await rejected(Bus.join('x', { capacity: 5000 }))).code).to.equal('ERR_OUT_OF_RANGE');
    const unbounded = Bus.join('x', { maxMessage: Infinity });
    expect((await rejected(unbounded)).code).to.equal('ERR_OUT_OF_RANGE');
    expect(thrown(() => a.onRequest('no' as never)).code).to.equal('ERR_INVALID_ARG');
  });

  it('is another bus under another name, or in another directory', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bus-'));
    try {
      await here('a');
      buses.push(await Bus.join(`${name} too`, { id: 'a' }));
      buses.push(await Bus.join(name, { id: 'a', directory }));
      for (const bus of buses) expect([...bus.peers]).to.deep.equal([]);
      await Promise.all(buses.map(bus => bus.close()));
      expect(readdirSync(directory)).to.deep.equal([]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('ends with a process that exits, and leaves nothing of it', async () => {
    const bus = await here('a');
    const child = (await there('b')) as ChildProcess;
    const ended = outcome(child);
    const left = once(bus, 'leave');
    await rejected(ask(bus, 'b', { does: 'exit' }));
    expect(await left).to.deep.equal(['b', 'died']);
    expect((await ended).code).to.equal(0);
  });

  it('does not keep a process alive that unreferenced it', async () => {
    const bus = await here('a');
    bus.onRequest(value => value);
    const index = new URL('../../../src/index.js', import.meta.url).href;
    const program = `
      import { Bus } from ${JSON.stringify(index)};
      const bus = await Bus.join(${JSON.stringify(name)}, { id: 'b' });
      bus.on('message', () => {});
      console.log(await bus.request('a', 'hello'));
      bus.unref();
    `;
    const child = startAlone('--input-type=module', ['--eval', program]);
    const { code, stdout, stderr } = await outcome(child);
    expect(stderr).to.equal('');
    expect([code, stdout]).to.deep.equal([0, 'hello\n']);
  });

  it('closes though a peer does not answer, and joins though one does not', async () => {
    const bus = await here('a');
    const child = (await there('b')) as ChildProcess;
    await sees(bus, ['b']);
    child.kill('SIGSTOP');
    try {
      const late = await here('c');
      expect([...late.peers]).to.deep.equal(['a']);
      child.kill('SIGCONT');
      await sees(late, ['a', 'b']);
      child.kill('SIGSTOP');
      await late.close();
    } finally {
      child.kill('SIGCONT');
    }
    await sees(bus, ['b']);
  });
});
