import { once, setMaxListeners } from 'node:events';
import { expect } from 'chai';
import { Bus } from '../../../src/index.js';
import { skip } from '../../native/support.js';
import { rejected, thrown } from '../../support/errors.js';
import { message, outcome, sibling, start, startAlone } from '../../support/processes.js';
import { Buses, count, Counted, until } from './support.js';

const script = sibling(import.meta.url, './bus-peer.js');
const index = new URL('../../../src/index.js', import.meta.url).href;

describe('The limits of a bus', function () {
  this.timeout(60_000);

  const buses = new Buses('limits');

  afterEach(() => buses.close());

  it('forget requests that are given up, and never send what has not left', async function () {
    if (process.platform === 'win32') skip(this, 'Windows has no SIGSTOP');
    const bus = await buses.join('here', { requestTimeout: 200 });
    const child = start(script, [JSON.stringify({ name: buses.name, id: 'peer' })]);
    expect(await message(child)).to.equal('joined');
    await until(() => bus.peers.has('peer'));
    await bus.request('peer', { does: 'echo', value: 0 }, { timeout: 30_000 });
    child.kill('SIGSTOP');
    const value = Buffer.alloc(256 * 1024);
    const controller = new AbortController();
    const asked = Array.from({ length: 50 }, (_, i) =>
      rejected(
        bus.request('peer', { does: 'echo', value }, i % 8 ? {} : { signal: controller.signal }),
      ),
    );
    expect(bus.stats().pendingRequests).to.equal(50);
    controller.abort(new Error('changed my mind'));
    const codes = (await Promise.all(asked)).map(({ code, message: text }) => code ?? text);
    expect(new Set(codes)).to.deep.equal(new Set(['ETIMEDOUT', 'changed my mind']));
    expect(bus.stats().pendingRequests).to.equal(0);
    // Nothing is kept: there is room as soon as the few that had left are read.
    const number = { does: 'echo', value: 1 };
    const answer = bus.request('peer', number, { timeout: 30_000 });
    child.kill('SIGCONT');
    expect(await answer).to.equal(1);
  });

  it('never send a request that was given up while it waited for room', async () => {
    const [a, b] = await buses.meet(['a', 'b'], { capacity: 4096 });
    let handled = 0;
    b!.onRequest(value => (handled++, value));
    const controller = new AbortController();
    setMaxListeners(0, controller.signal);
    const value = Buffer.alloc(1000);
    const asked = Array.from({ length: 50 }, () =>
      rejected(a!.request('b', value, { signal: controller.signal })),
    );
    controller.abort(new Error('changed my mind')); // in this turn, in which nothing is read
    await Promise.all(asked);
    expect(await a!.request('b', 1)).to.equal(1);
    expect(handled).to.be.within(2, 5); // what had gone in, and the last one
  });

  it('on closing: a peer that does not answer is waited for as long as was said', async function () {
    if (process.platform === 'win32') skip(this, 'Windows has no SIGSTOP');
    const child = start(script, [JSON.stringify({ name: buses.name, id: 'stopped' })]);
    expect(await message(child)).to.equal('joined');
    const witness = await buses.join('witness');
    await until(() => witness.peers.has('stopped'));
    const program = `
      import { Bus } from ${JSON.stringify(index)};
      const bus = await Bus.join(${JSON.stringify(buses.name)}, { id: 'closer', closeTimeout: 100 });
      while (!bus.peers.has('stopped')) await new Promise(resolve => bus.once('join', resolve));
      process.kill(${String(child.pid)}, 'SIGSTOP');
      bus.send('stopped', 'x');
      const asked = bus.request('stopped', 1).catch(({ code }) => code);
      await bus.close();
      console.log(bus.closed, bus.peers.size, await asked);
    `;
    const closer = startAlone('--input-type=module', ['--eval', program]);
    const left = once(witness, 'leave');
    const { code, stdout, stderr } = await outcome(closer);
    child.kill('SIGCONT');
    expect(stderr).to.equal('');
    expect([code, stdout]).to.deep.equal([0, 'true 0 ERR_CLOSED\n']);
    expect(await left).to.deep.equal(['closer', 'closed']);
  });

  it('on closing: whatever fails, it is closed for all, and the process ends', async function () {
    if (process.getuid?.() !== 0 || process.platform !== 'linux') skip(this, 'it has to be root');
    const witness = await buses.join('witness');
    const program = `
      import { Bus } from ${JSON.stringify(index)};
      const bus = await Bus.join(${JSON.stringify(buses.name)}, { id: 'dropped' });
      const errors = [];
      bus.on('error', ({ code }) => errors.push(code));
      process.setgid(65534);
      process.setuid(65534);
      console.log(bus.send('witness', 1));
      while (errors.length === 0) await new Promise(resolve => setTimeout(resolve, 10));
      const { name, code } = await bus.close().catch(error => error);
      console.log(errors.join(), name, code, bus.closed, bus.peers.size);
    `;
    const left = once(witness, 'leave');
    const child = startAlone('--input-type=module', ['--eval', program]);
    const { code, stdout, stderr } = await outcome(child);
    expect(stderr).to.equal('');
    expect([code, stdout]).to.deep.equal([0, 'false\nEACCES ShmError EACCES true 0\n']);
    expect(await left).to.deep.equal(['dropped', 'closed']);
  });

  it('on what waits while nobody listens: so much, and the rest at its sender; requests go on', async () => {
    const options = { capacity: 65536 };
    const [a, b] = await buses.meet(['a', 'b'], options);
    for (const bus of [a!, b!]) bus.onRequest(value => value);
    await count(a!, 'b', 20, 'x'.repeat(100));
    await count(b!, 'a', 20, 'x'.repeat(100));
    // Behind them, both ways.
    expect(await Promise.all([a!.request('b', 1), b!.request('a', 2)])).to.deep.equal([1, 2]);
    let sent = 20;
    const value = () => ({ number: sent, filling: 'x'.repeat(1000) });
    const drained = once(a!, 'drain');
    // Until nothing more goes in, however long it is tried.
    for (let idle = 0; idle < 10; idle++) {
      while (a!.send('b', value())) {
        sent++;
        idle = 0;
      }
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    const { heldMessages } = b!.stats();
    // What the capacity takes, and what was under way in a ring of the same size.
    expect(heldMessages).to.be.within(60, 200);
    expect(sent).to.be.within(heldMessages, 250);
    // In both directions nothing stands in front of requests and answers, and `ready` waits.
    expect(await Promise.all([a!.request('b', 1), b!.request('a', 2)])).to.deep.equal([1, 2]);
    let isReady = false;
    const ready = a!.ready('b').then(() => (isReady = true));
    expect(await a!.request('b', 3)).to.equal(3);
    expect(isReady).to.equal(false);
    const counted = new Counted(b!);
    await drained;
    await ready;
    await until(() => counted.received.a === sent);
    expect(counted.wrong).to.equal(undefined);
  });

  it('on what waits: of a peer that leaves, everything is taken in', async () => {
    const [a, b] = await buses.meet(['a', 'b'], { capacity: 16384 });
    let sent = 0;
    for (let turn = 0; turn < 20; turn++) {
      while (a!.send('b', { number: sent, filling: 'x'.repeat(500) })) sent++;
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    const left = once(b!, 'leave');
    await a!.close();
    expect(await left).to.deep.equal(['a', 'closed']);
    const counted = new Counted(b!);
    await until(() => counted.received.a === sent);
    expect(counted.wrong).to.equal(undefined);
  });

  it('on a broadcast: peers without room are named, and the others get it', async () => {
    const name = `${buses.name} broadcast`;
    const bus = await buses.join('here', { capacity: 65536, maxMessage: 20_000 }, name);
    const small = await buses.join('small', { capacity: 4096 }, name);
    const large = await buses.join('large', { capacity: 65536 }, name);
    await until(() => bus.peers.size === 2);
    const got: number[] = [];
    large.on('message', value => got.push((value as Buffer).length));
    let smallGot = 0;
    small.once('message', value => (smallGot = (value as Buffer).length));
    expect(thrown(() => bus.broadcast(Buffer.alloc(20_001))).code).to.equal('ERR_TOO_LARGE');
    expect(bus.broadcast(Buffer.alloc(10_000))).to.deep.equal([]);
    await until(() => got.length === 1 && smallGot === 10_000);
    await bus.ready('small');
    while (bus.send('small', Buffer.alloc(1000)));
    expect(bus.broadcast(Buffer.alloc(1000))).to.deep.equal(['small']);
    await until(() => got.length === 2);
    expect(got).to.deep.equal([10_000, 1000]);
  });

  it('refuse what is no time', async () => {
    for (const options of [{ requestTimeout: -1 }, { closeTimeout: Number.NaN }]) {
      const error = await rejected(Bus.join(buses.name, options));
      expect(error.code).to.be.oneOf(['ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG']);
    }
  });
});
